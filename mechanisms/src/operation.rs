//! The traits that a session drives. A session owns one boxed operation per kind; finishing consumes it, so a finished
//! operation cannot be used again. Every method may be called from one thread at a time; all are `Send`.

use zeroize::Zeroizing;

use crate::Result;

/// Signing, or computing a MAC.
pub trait SignOp: Send {
    /// Length of the signature in bytes (an upper bound is not enough: size queries report it).
    fn signature_len(&self) -> usize;

    /// Adds a part of the message. Mechanisms that the standard has in one part only (`CKM_RSA_PKCS`, `CKM_ECDSA`, ...)
    /// collect the parts up to their length limit: it serves every consumer and costs none.
    fn update(&mut self, part: &[u8]) -> Result<()>;

    /// The signature over all parts.
    fn finish(self: Box<Self>) -> Result<Vec<u8>>;

    /// The parts so far, where collecting them is all that was done: the state that the token gives out, to be taken up by
    /// [`SignOp::update`] on a new operation with the same key. `None` where it cannot be saved.
    fn collected(&self) -> Option<&[u8]> {
        None
    }

    /// The signature over a whole message.
    fn sign(mut self: Box<Self>, message: &[u8]) -> Result<Vec<u8>> {
        self.update(message)?;
        self.finish()
    }
}

/// Verifying. `CKR_SIGNATURE_INVALID` and `CKR_SIGNATURE_LEN_RANGE` are errors.
pub trait VerifyOp: Send {
    /// Adds a part of the message.
    fn update(&mut self, part: &[u8]) -> Result<()>;

    /// Checks the signature over all parts.
    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()>;

    /// As [`SignOp::collected`].
    fn collected(&self) -> Option<&[u8]> {
        None
    }

    /// Checks the signature over a whole message.
    fn verify(mut self: Box<Self>, message: &[u8], signature: &[u8]) -> Result<()> {
        self.update(message)?;
        self.finish(signature)
    }
}

/// Encryption or decryption.
pub trait CipherOp: Send {
    /// An upper bound, exact where it can be known, of what `update` with `len` bytes would answer.
    fn update_len(&self, len: usize) -> usize;

    /// An upper bound, exact where it can be known, of what a final call after `len` more bytes would answer.
    fn final_len(&self, len: usize) -> usize;

    /// Whether the answer may be shorter than [`CipherOp::final_len`] by a padding that only the work shows.
    fn answer_is_padded(&self) -> bool {
        false
    }

    /// Takes a part, appends what can be given out to `out`.
    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()>;

    /// Ends the message, appends the rest to `out`.
    fn finish(self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()>;

    /// A whole message at once, appended to `out`.
    fn whole(mut self: Box<Self>, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.update(message, out)?;
        self.finish(out)
    }
}

/// Digesting.
pub trait DigestOp: Send {
    /// Length of the digest in bytes.
    fn digest_len(&self) -> usize;

    /// Adds a part of the message.
    fn update(&mut self, part: &[u8]) -> Result<()>;

    /// The digest of all parts.
    fn finish(self: Box<Self>) -> Result<Vec<u8>>;

    /// The digest of a whole message.
    fn digest(mut self: Box<Self>, message: &[u8]) -> Result<Vec<u8>> {
        self.update(message)?;
        self.finish()
    }

    /// The state so far, for [`crate::digest::restore`]; `None` where it cannot be saved. It holds the last bytes of the
    /// message as they are, and whoever has it can go on with the message: it is as secret as the message (a key that
    /// `C_DigestKey` added).
    fn save(&self) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}

/// What one message of [`MessageOp`] has of its own: `CK_GCM_MESSAGE_PARAMS`, `CK_CCM_MESSAGE_PARAMS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageParams {
    /// IV or nonce. Where it is to be generated, it has the asked-for length and the caller's fixed bits; the operation
    /// (see [`MessageOp::chooses_iv`]) or [`crate::iv::Generator`] writes it here.
    pub iv: Vec<u8>,
    /// How many of its leading bits are the caller's, where it is generated.
    pub fixed_bits: u64,
    /// `ivGenerator`, `nonceGenerator`: a `CKG_` number.
    pub generator: u64,
    /// The tag or MAC: encryption writes it, decryption checks it. Its length is the one asked for, in bytes.
    pub tag: Vec<u8>,
    /// `ulDataLen` of CCM.
    pub data_len: Option<u64>,
}

/// Encryption or decryption of any number of messages under one key, each authenticated by itself; one direction only.
pub trait MessageOp: Send {
    /// Whether the operation itself chooses the IV of an encryption with these parameters: then [`MessageOp::message`]
    /// writes it to them. Else the IV that is in them is used.
    fn chooses_iv(&self, _params: &MessageParams) -> bool {
        false
    }

    /// Whether it encrypts with no other IVs than those that it chooses.
    fn own_ivs_only(&self) -> bool {
        false
    }

    /// Refuses parameters that no message could be encrypted or decrypted with.
    fn check(&self, params: &MessageParams) -> Result<()>;

    /// A whole message, appended to `out`, as long as `message`. On failure nothing is appended; a wrong tag is
    /// `CKR_AEAD_DECRYPT_FAILED`.
    fn message(
        &mut self,
        params: &mut MessageParams,
        aad: &[u8],
        message: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<()>;
}
