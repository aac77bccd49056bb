//! What is measured, in the order of the table. Searches come last: the objects that they need stay on the token.

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Case {
    /// As printed, and as the two processes call it.
    pub(crate) name: &'static str,
    /// What one sample is.
    pub(crate) work: Work,
    /// Bytes per sample, where throughput says more than time.
    pub(crate) bytes: Option<usize>,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// `C_SignInit` and `C_Sign`.
    Sign(Signature),
    /// `C_EncryptInit` and `C_Encrypt`.
    Encrypt(Cipher),
    /// `C_GenerateKey` of a session AES-256 key.
    GenerateAes,
    /// `C_GenerateKeyPair` of a session P-256 key pair.
    GenerateEc,
    /// `C_OpenSession` and `C_CloseSession`.
    OpenClose,
    /// A process from its start to its end: initialize, login, find a key, sign once, finalize.
    ColdStart,
    /// `C_FindObjectsInit`, `C_FindObjects` and `C_FindObjectsFinal` by class and id, among so many token objects.
    Find(usize),
}

/// Which key signs what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// `CKM_SHA256_RSA_PKCS`, 2048 bits, 32 bytes of message.
    Rsa,
    /// `CKM_ECDSA`, P-256, 32 bytes of digest.
    P256,
    /// `CKM_ECDSA`, P-384, 48 bytes of digest.
    P384,
    /// `CKM_SHA256_HMAC`, 1024 bytes of message.
    Hmac,
}

/// Which AES mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// `CKM_AES_GCM`, 12 bytes of IV, a tag of 128 bits, no additional data.
    Gcm,
    /// `CKM_AES_CBC`.
    Cbc,
}

const fn case(name: &'static str, work: Work) -> Case {
    Case { name, work, bytes: None }
}

const fn bulk(name: &'static str, cipher: Cipher, bytes: usize) -> Case {
    Case { name, work: Work::Encrypt(cipher), bytes: Some(bytes) }
}

/// All lines.
pub(crate) const CASES: &[Case] = &[
    case("RSA-2048 SHA256_RSA_PKCS sign", Work::Sign(Signature::Rsa)),
    case("ECDSA P-256 sign", Work::Sign(Signature::P256)),
    case("ECDSA P-384 sign", Work::Sign(Signature::P384)),
    case("HMAC-SHA256, 1 KiB", Work::Sign(Signature::Hmac)),
    bulk("AES-256-GCM encrypt, 16 B", Cipher::Gcm, 16),
    bulk("AES-256-GCM encrypt, 1 KiB", Cipher::Gcm, 1 << 10),
    bulk("AES-256-GCM encrypt, 64 KiB", Cipher::Gcm, 64 << 10),
    bulk("AES-256-GCM encrypt, 1 MiB", Cipher::Gcm, 1 << 20),
    bulk("AES-256-CBC encrypt, 16 B", Cipher::Cbc, 16),
    bulk("AES-256-CBC encrypt, 1 KiB", Cipher::Cbc, 1 << 10),
    bulk("AES-256-CBC encrypt, 64 KiB", Cipher::Cbc, 64 << 10),
    bulk("AES-256-CBC encrypt, 1 MiB", Cipher::Cbc, 1 << 20),
    case("AES-256 session key generation", Work::GenerateAes),
    case("EC P-256 session key pair generation", Work::GenerateEc),
    case("open and close a session", Work::OpenClose),
    case("cold start: process to first signature", Work::ColdStart),
    case("find by id among 10 token objects", Work::Find(10)),
    case("find by id among 1000 token objects", Work::Find(1000)),
    case("find by id among 10000 token objects", Work::Find(10000)),
];
