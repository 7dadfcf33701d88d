#!/bin/sh
# certs/make-test-certs.sh DIRECTORY - a test authority and the certificates it signs
#
# Made afresh at check time and thrown away with the build directory: no key is ever kept.
#
#   ca.pem                 the authority (its key is removed as soon as all is signed)
#   rsa.pem  rsa.key       RSA 2048     localhost, 127.0.0.1, ::1
#   ec.pem   ec.key        ECDSA P-256  the same names
#   one.pem  one.key       ECDSA P-256  one.example
#   two.pem  two.key       RSA 2048     *.two.example
#
# Each .pem has the certificate and the authority's behind it, as a server sends them.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
umask 077
mkdir -p "$1"
cd "$1"

DAYS=30
LOCAL=DNS:localhost,IP:127.0.0.1,IP:::1

# Says nothing unless it fails.
quiet() {
    if ! out=$("$@" 2>&1); then
        printf '%s\n' "$out" >&2
        exit 1
    fi
}

# key NAME KIND
key() {
    case $2 in
    rsa) quiet openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" ;;
    ec) quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" ;;
    esac
}

# signed NAME KIND SUBJECT-ALTERNATIVE-NAMES
signed() {
    key "$1" "$2"
    quiet openssl req -new -key "$1.key" -subj "/CN=sallyport test $1" -out "$1.csr"
    printf '%s\n' "subjectAltName=$3" basicConstraints=critical,CA:FALSE \
        keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth > "$1.ext"
    quiet openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
        -days "$DAYS" -sha256 -extfile "$1.ext" -out "$1.crt"
    cat "$1.crt" ca.pem > "$1.pem"
    rm -f "$1.crt" "$1.csr" "$1.ext"
}

key ca ec
quiet openssl req -x509 -new -key ca.key -days "$DAYS" -sha256 \
    -subj '/CN=sallyport test authority' -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem
signed rsa rsa "$LOCAL"
signed ec ec "$LOCAL"
signed one ec DNS:one.example
signed two rsa 'DNS:*.two.example'
rm -f ca.key ca.srl
chmod 644 ./*.pem
