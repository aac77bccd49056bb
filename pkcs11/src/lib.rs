//! The C ABI of PKCS#11 and nothing else.
