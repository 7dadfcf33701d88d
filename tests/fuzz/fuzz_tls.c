/*
 * tests/fuzz/fuzz_tls.c - the server's side of TLS (tls/stream.h, tls/context.h)
 *
 * Input: one byte (enum wish), the server name asked for up to LF, the protocols (ALPN,
 * as they lie on the wire) up to LF, two bytes and one: which byte of the client's first
 * flight is changed and how; then what is sent inside (or, raw, instead of it all).
 * Holds: no bytes but a handshake make a handshake; another name or protocol than ours is
 * refused; what was written is what is read; only close_notify ends a stream well.
 */
#include "tls/stream.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/settings.h"
#include "fuzz.h"
#include "tls/context.h"
#include "tls/keyholder/keys.h"

#define ROUNDS_MOST 40
#define RECORD_HEADER 5
#define NAMES "DNS:ftp.example,DNS:*.wild.example"

enum wish { WISH_RAW = 1, WISH_DATA = 2, WISH_TLS_12 = 4, WISH_END = 8, WISH_ALPN = 16 };

static struct settings settings;
static struct tls_context *context;
static struct keys keys;
static SSL_CTX *client_context;

static enum sp_err
sign(void *unused, unsigned key, unsigned scheme, struct slice tbs,
     unsigned char *signature, size_t room, size_t *len)
{
    const char *why = NULL;

    (void)unused;
    return keys_sign(&keys, key, scheme, tbs, signature, room, len, &why);
}

/* The bytes of a memory BIO as a file; frees it. */
static int
file_of(BIO *bio)
{
    char *at = NULL;
    long len = BIO_get_mem_data(bio, &at);
    int fd = memfd_create("pem", MFD_CLOEXEC);

    FUZZ_HOLDS(fd != -1 && fd_write_all(fd, at, (size_t)len) == SP_OK
               && lseek(fd, 0, SEEK_SET) == 0);
    BIO_free(bio);
    return fd;
}

static int
make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, NAMES);
    BIO *out = BIO_new(BIO_s_mem());

    FUZZ_HOLDS(X509_set_version(x, X509_VERSION_3) == 1
               && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1
               && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                             (const unsigned char *)"fuzz", -1, -1, 0)
                  == 1
               && X509_set_issuer_name(x, name) == 1
               && X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL
               && X509_gmtime_adj(X509_getm_notAfter(x), 86400) != NULL
               && X509_set_pubkey(x, key) == 1 && X509_add_ext(x, names, -1) == 1
               && X509_sign(x, key, EVP_sha256()) > 0 && PEM_write_bio_X509(out, x) == 1);
    X509_EXTENSION_free(names);
    X509_free(x);
    return file_of(out);
}

/* Made at each start: a key has no place in git. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    EVP_PKEY *key = NULL;
    BIO *out = NULL;
    char fault[KEY_FAULT_MAX] = "";
    int certificate = -1, private = -1;

    (void)argc;
    (void)argv;
    /* no keys_prepare: the leak checker does not look into locked memory */
    FUZZ_HOLDS((key = EVP_EC_gen("P-256")) != NULL
               && (out = BIO_new(BIO_s_mem())) != NULL);
    FUZZ_HOLDS(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    certificate = make_certificate(key);
    private = file_of(out);
    FUZZ_HOLDS(keys_load(&keys, 0, private, slice_of("key"), fault) == SP_OK);
    FUZZ_HOLDS(settings_init(&settings) == SP_OK);
    FUZZ_HOLDS(tls_context_new(&context, &settings) == SP_OK);
    FUZZ_HOLDS(tls_context_add(context, 0, certificate, "pem") == SP_OK);
    FUZZ_HOLDS(tls_context_begin(context, sign, NULL) == SP_OK);
    FUZZ_HOLDS((client_context = SSL_CTX_new(TLS_client_method())) != NULL);
    EVP_PKEY_free(key);
    fd_close(&certificate);
    fd_close(&private);
    return 0;
}

struct play {
    unsigned wish;
    char name[256];
    struct slice protocols;
    bool spoiled;               /* a byte was changed on its way */
    size_t spoil_at;
    uint8_t spoil_by;
    SSL *ssl;
    BIO *to_client, *from_client;
    struct tls_stream *server;
    int socket;                 /* the client's end */
};

/* Everything that the client has made goes to the server, and what came back to it. */
static void
move_bytes(struct play *p)
{
    unsigned char bytes[4096];
    int n = 0;
    ssize_t got = 0;

    while ((n = BIO_read(p->from_client, bytes, sizeof bytes)) > 0) {
        /* the header of the record, with an old version in it, is nobody's to check */
        if (p->spoil_by != 0 && p->spoil_at >= RECORD_HEADER && p->spoil_at < (size_t)n) {
            bytes[p->spoil_at] ^= p->spoil_by;
            p->spoiled = true;
        }
        p->spoil_by = 0;                /* the first flight alone */
        (void)!send(p->socket, bytes, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    while ((got = recv(p->socket, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        (void)BIO_write(p->to_client, bytes, (int)got);
}

static void
check_fault(const struct play *p)
{
    for (const char *at = tls_stream_fault(p->server); *at != '\0'; at++)
        FUZZ_HOLDS((unsigned char)*at >= 0x20 && *at != 0x7f);
}

/*
 * As tls/context.h says: one of the certificate's, none, an address, localhost. A dot at the
 * end changes nothing.
 */
static bool
is_served(const char *given)
{
    char name[256];
    size_t len = strlen(given), tail = strlen(".wild.example");

    FUZZ_HOLDS(text_copy(name, sizeof name, given));
    if (len > 1 && name[len - 1] == '.')
        name[--len] = '\0';
    if (len == 0 || strspn(name, "0123456789abcdefABCDEF.:[]") == strlen(name))
        return true;
    if (strcasecmp(name, "ftp.example") == 0 || strcasecmp(name, "localhost") == 0)
        return true;
    return len > tail && strcasecmp(name + len - tail, ".wild.example") == 0
        && memchr(name, '.', len - tail) == NULL;
}

static bool
offers_ours(const struct play *p)
{
    struct fuzz_input in = { p->protocols.at, p->protocols.len };

    while (in.len > 0) {
        struct slice s = fuzz_bytes(&in, fuzz_u8(&in));

        if (slice_equal(s, slice_of("ftp"))
            || ((p->wish & WISH_DATA) != 0 && slice_equal(s, slice_of("ftp-data"))))
            return true;
    }
    return false;
}

static bool
shake_hands(struct play *p)
{
    enum sp_err rc = SP_AGAIN;

    for (unsigned i = 0; i < ROUNDS_MOST && rc == SP_AGAIN; i++) {
        (void)SSL_do_handshake(p->ssl);
        ERR_clear_error();
        move_bytes(p);
        rc = tls_stream_handshake(p->server);
    }
    move_bytes(p);
    check_fault(p);
    if (rc != SP_OK)
        return false;
    FUZZ_HOLDS(is_served(p->name));
    FUZZ_HOLDS(!slice_has_line_break(slice_of(tls_stream_server_name(p->server))));
    FUZZ_HOLDS(p->protocols.len == 0 || offers_ours(p));
    FUZZ_HOLDS(!p->spoiled);            /* Finished covers every byte that counts */
    FUZZ_HOLDS(strcmp(tls_stream_version(p->server),
                      (p->wish & WISH_TLS_12) != 0 ? "TLSv1.2" : "TLSv1.3") == 0);
    return true;
}

static void
talk(struct play *p, struct slice content)
{
    unsigned char got[8192];
    size_t len = 0, n = 0;
    enum sp_err rc = SP_OK;

    (void)SSL_do_handshake(p->ssl);
    if (!SSL_is_init_finished(p->ssl))
        return;
    if (content.len > 0)
        FUZZ_HOLDS(SSL_write(p->ssl, content.at, (int)content.len) == (int)content.len);
    if ((p->wish & WISH_END) != 0)
        (void)SSL_shutdown(p->ssl);
    ERR_clear_error();
    move_bytes(p);
    (void)shutdown(p->socket, SHUT_WR);
    while ((rc = tls_stream_read(p->server, got + len, sizeof got - len, &n)) == SP_OK) {
        FUZZ_HOLDS(n > 0);
        len += n;
    }
    FUZZ_HOLDS(slice_equal(slice_from(got, len), content));
    FUZZ_HOLDS(rc == SP_CLOSED);
    FUZZ_HOLDS(tls_stream_ended_well(p->server) == ((p->wish & WISH_END) != 0));
}

static void
open_client(struct play *p)
{
    int version = (p->wish & WISH_TLS_12) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

    FUZZ_HOLDS((p->ssl = SSL_new(client_context)) != NULL);
    FUZZ_HOLDS((p->to_client = BIO_new(BIO_s_mem())) != NULL
               && (p->from_client = BIO_new(BIO_s_mem())) != NULL);
    (void)BIO_set_mem_eof_return(p->to_client, -1);
    SSL_set_bio(p->ssl, p->to_client, p->from_client);
    SSL_set_connect_state(p->ssl);
    FUZZ_HOLDS(SSL_set_min_proto_version(p->ssl, version) == 1
               && SSL_set_max_proto_version(p->ssl, version) == 1);
    if (p->name[0] != '\0' && SSL_set_tlsext_host_name(p->ssl, p->name) != 1)
        p->name[0] = '\0';
    if ((p->wish & WISH_ALPN) == 0 || p->protocols.len == 0
        || SSL_set_alpn_protos(p->ssl, p->protocols.at, (unsigned)p->protocols.len) != 0)
        p->protocols.len = 0;
    ERR_clear_error();
}

/* Not one of them is a handshake. */
static void
send_raw(struct play *p, struct slice content)
{
    enum sp_err rc = SP_AGAIN;

    if (content.len > 0)
        (void)!send(p->socket, content.at, content.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(p->socket, SHUT_WR);
    for (unsigned i = 0; i < ROUNDS_MOST && rc == SP_AGAIN; i++)
        rc = tls_stream_handshake(p->server);
    FUZZ_HOLDS(rc == SP_INPUT || rc == SP_CLOSED);
    check_fault(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    struct play p = { .wish = fuzz_u8(&in) };
    struct slice s = fuzz_until(&in, '\n'), content = SLICE_EMPTY;
    int ends[2] = { -1, -1 };

    log_set_sink(fuzz_log_line, NULL);
    if (s.len >= sizeof p.name || slice_to_text(s, p.name, sizeof p.name) != SP_OK)
        p.name[0] = '\0';
    p.protocols = fuzz_until(&in, '\n');
    p.spoil_at = (size_t)fuzz_number(&in, 2);
    p.spoil_by = fuzz_u8(&in);
    content = fuzz_bytes(&in, in.len < 4096 ? in.len : 4096);
    FUZZ_HOLDS(fuzz_pair(SOCK_STREAM, ends));
    p.socket = ends[0];
    FUZZ_HOLDS(tls_stream_new(&p.server, context, ends[1],
                              (p.wish & WISH_DATA) != 0 ? TLS_DATA : TLS_CONTROL)
               == SP_OK);
    if ((p.wish & WISH_RAW) != 0) {
        send_raw(&p, content);
    } else {
        open_client(&p);
        if (shake_hands(&p))
            talk(&p, content);
    }
    SSL_free(p.ssl);
    tls_stream_free(p.server);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    ERR_clear_error();
    return 0;
}
