/*
 * broker/answer.h - the worker's requests, one function for each row of the table
 *
 * Runs in: broker.                       Blocks: waits for the worker.
 * Trusts:  nothing that the worker says.
 */
#ifndef SP_BROKER_ANSWER_H
#define SP_BROKER_ANSWER_H

#include "base/err.h"

struct broker;

/*
 * Answer one request. SP_CLOSED: the worker is gone. SP_INPUT: it broke the rules
 * (logged). SP_OS.
 */
SP_CHECK enum sp_err answer_one(struct broker *b);
/*
 * Answer until the worker is gone; an open upload has been settled then. As answer_one.
 */
SP_CHECK enum sp_err answer_serve(struct broker *b);

#endif
