//! Objects on disk, as far as the login lets them be seen.

use super::records::{Column, Tampered, row_without_login, unverified};
use super::{Login, ObjectId, Record, Search, Token, as_corrupt, as_device_error};
use crate::log::{self, Level};
use crate::pin_slots::Role;
use crate::store::{Row, RowSearch};
use crate::{Code, Error, Result};

/// What the store has under an object's number.
#[derive(Debug)]
pub enum Fetched {
    /// The record that this token stored.
    Verified(Record),
    /// A record that nobody could verify, because nobody is logged in.
    Unverified(Record),
    /// Not what this token stored: the error for who wants to use it. A search passes over it.
    Tampered(Error),
}

impl Token {
    /// A number that changes whenever this or another process changed the token's objects; cheap: four system calls.
    pub fn generation(&self) -> Result<u64> {
        self.store.generation().map_err(as_device_error)
    }

    /// Stores new objects, all or none, durably. Private ones, private keys and secret keys need a login.
    pub fn insert(&self, records: &[Record]) -> Result<Vec<ObjectId>> {
        let login = self.current();
        let make = |index: usize, id| row(login.as_deref(), id, &records[index]);
        let ids =
            self.store.insert(login.as_ref().map(|login| &login.token_id), records.len(), make).map_err(as_corrupt)?;
        Ok(ids.into_iter().map(ObjectId).collect())
    }

    /// Replaces `old`, durably; `CKR_OBJECT_HANDLE_INVALID` where it is gone. `false`, and no change, where the object is
    /// not `old` any more.
    pub fn replace(&self, id: ObjectId, old: &Record, record: &Record) -> Result<bool> {
        let login = self.current();
        let row = row(login.as_deref(), id.0, record)?;
        let same = |now| match &login {
            None => unverified(now) == *old,
            Some(login) => login.records.open(id.0, now).is_ok_and(|now| now == *old),
        };
        self.store.replace(login.as_ref().map(|login| &login.token_id), id.0, same, &row).map_err(as_corrupt)
    }

    /// Removes an object, durably; `CKR_OBJECT_HANDLE_INVALID` where it is gone.
    pub fn remove(&self, id: ObjectId) -> Result<()> {
        let login = self.current();
        self.store.remove(login.as_ref().map(|login| &login.token_id), id.0).map_err(as_corrupt)
    }

    /// An object's record. `None` where there is none, or where it is private and nobody is logged in as user.
    pub fn fetch(&self, id: ObjectId) -> Result<Option<Fetched>> {
        let Some(row) = self.store.fetch(id.0).map_err(as_device_error)? else { return Ok(None) };
        Ok(match self.current() {
            _ if row.private && !self.is_user() => None,
            None => Some(Fetched::Unverified(unverified(row))),
            Some(login) => Some(login.records.open(id.0, row).map_or_else(
                |Tampered| {
                    let why = format!("object {} of the store is not what this token stored", id.0);
                    log::event(Level::Error, format_args!("{why}"));
                    Fetched::Tampered(Code::DeviceError.because(why))
                },
                Fetched::Verified,
            )),
        })
    }

    /// The visible objects that match, oldest first. They have not been opened: see [`Token::fetch`].
    pub fn search(&self, search: &Search) -> Result<Vec<ObjectId>> {
        let login = self.current().filter(|login| login.role == Role::User);
        let both = |column, value: &Option<Vec<u8>>| {
            value.as_ref().map(|value| {
                let hidden = login.as_ref().map_or_else(Vec::new, |login| login.records.index(column, value));
                (value.clone(), hidden)
            })
        };
        let search = RowSearch {
            class: search.class.map(|class| class.0),
            key_type: search.key_type.map(|kind| kind.0),
            label: both(Column::Label, &search.label),
            id: both(Column::Id, &search.id),
            private: login.is_some(),
        };
        Ok(self.store.search(&search).map_err(as_device_error)?.into_iter().map(ObjectId).collect())
    }

    fn current(&self) -> Option<std::sync::Arc<Login>> {
        self.login.read().clone()
    }

    fn is_user(&self) -> bool {
        self.login_state() == super::LoginState::User
    }
}

/// The row of a record, under the login that there is.
fn row(login: Option<&Login>, id: u64, record: &Record) -> Result<Row> {
    match login {
        Some(login) if record.private && login.role != Role::User => Err(Code::UserNotLoggedIn.into()),
        Some(login) => login.records.row(id, record),
        None => row_without_login(record),
    }
}
