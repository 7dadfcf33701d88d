/*
 * base/heap.h - memory that a template shares with its children, and what they give back
 *
 * Runs in: templates and their children. Blocks: never.
 */
#ifndef SP_BASE_HEAP_H
#define SP_BASE_HEAP_H

/*
 * In a template, before the first fork: takes the free places between what is allocated,
 * for good. What a child allocates then lies on new pages, side by side; else it would
 * fill those places and copy a page of the template's for each.
 */
void heap_close_holes(void);

/* Before a long sleep: pages on which nothing is allocated go back to the kernel. */
void heap_give_back(void);

/*
 * The same for the stack: what lies below the caller's frame, where deeper calls were.
 */
void stack_give_back(void);

#endif
