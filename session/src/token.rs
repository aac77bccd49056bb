//! A token: its secrets while somebody is logged in, its partition, its objects on disk.

use std::sync::Arc;

use mechanisms::ck::{KeyType, ObjectClass};
use transport::partition::Partition;
use zeroize::Zeroizing;

use crate::{Code, Result};

/// Who is logged in, in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// Nobody.
    Public,
    /// `CKU_USER`.
    User,
    /// `CKU_SO`.
    SecurityOfficer,
}

/// A stored object's number; never used twice within a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u64);

/// An object as the store keeps it. Index columns of private objects are keyed hashes, their body is encrypted; every key
/// object's record is authenticated, so that nobody can move a blob under other attributes (design 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `CKA_CLASS`.
    pub class: ObjectClass,
    /// `CKA_KEY_TYPE`, of keys.
    pub key_type: Option<KeyType>,
    /// `CKA_LABEL`.
    pub label: Vec<u8>,
    /// `CKA_ID`.
    pub id: Vec<u8>,
    /// `CKA_PRIVATE`.
    pub private: bool,
    /// Everything else, in the object room's own encoding.
    pub body: Zeroizing<Vec<u8>>,
}

/// What a search can be narrowed by before records are opened; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `CKA_CLASS`.
    pub class: Option<ObjectClass>,
    /// `CKA_KEY_TYPE`.
    pub key_type: Option<KeyType>,
    /// `CKA_LABEL`.
    pub label: Option<Vec<u8>>,
    /// `CKA_ID`.
    pub id: Option<Vec<u8>>,
}

/// A token; `Send + Sync`, shared by all sessions of the process.
#[derive(Debug)]
pub struct Token {
    _placeholder: (),
}

impl Token {
    /// Who is logged in.
    pub fn login_state(&self) -> LoginState {
        LoginState::Public
    }

    /// Ends the login, if there is one: the token's secrets are erased and the partition is let go. Called by `C_Logout`
    /// and when the last session of the process on this token is closed.
    pub(crate) fn log_out(&self) {}

    /// Checks the user's PIN once more, for `CKU_CONTEXT_SPECIFIC`; wrong ones count as in `C_Login`.
    pub(crate) fn reauthenticate(&self, _pin: &crate::slot::Pin) -> Result<()> {
        Err(Code::FunctionFailed.into())
    }

    /// The live partition; `CKR_USER_NOT_LOGGED_IN` while nobody is logged in.
    pub fn partition(&self) -> Result<Arc<Partition>> {
        Err(Code::UserNotLoggedIn.into())
    }

    /// A number that changes whenever this or another process changed the token's objects; cheap.
    pub fn generation(&self) -> Result<u64> {
        Err(Code::FunctionFailed.into())
    }

    /// Stores new objects, all or none, durably.
    pub fn insert(&self, _records: &[Record]) -> Result<Vec<ObjectId>> {
        Err(Code::FunctionFailed.into())
    }

    /// Replaces an object, durably; `CKR_OBJECT_HANDLE_INVALID` where it is gone.
    pub fn replace(&self, _id: ObjectId, _record: &Record) -> Result<()> {
        Err(Code::FunctionFailed.into())
    }

    /// Removes an object, durably; `CKR_OBJECT_HANDLE_INVALID` where it is gone.
    pub fn remove(&self, _id: ObjectId) -> Result<()> {
        Err(Code::FunctionFailed.into())
    }

    /// An object's record, opened and verified. `None` where there is none, or where it is private and nobody is logged in
    /// as user.
    pub fn fetch(&self, _id: ObjectId) -> Result<Option<Record>> {
        Err(Code::FunctionFailed.into())
    }

    /// The visible objects that match, oldest first.
    pub fn search(&self, _search: &Search) -> Result<Vec<ObjectId>> {
        Err(Code::FunctionFailed.into())
    }
}
