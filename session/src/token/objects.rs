//! Objects on disk, as far as the login lets them be seen.

use super::records::{Column, row_without_login, unverified};
use super::{Login, ObjectId, Record, Search, Token, as_corrupt, as_device_error};
use crate::log::{self, Level};
use crate::pin_slots::Role;
use crate::store::{Row, RowSearch};
use crate::{Code, Result};

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

    /// Replaces an object, durably; `CKR_OBJECT_HANDLE_INVALID` where it is gone.
    pub fn replace(&self, id: ObjectId, record: &Record) -> Result<()> {
        let login = self.current();
        let row = row(login.as_deref(), id.0, record)?;
        self.store.replace(login.as_ref().map(|login| &login.token_id), id.0, &row).map_err(as_corrupt)
    }

    /// Removes an object, durably; `CKR_OBJECT_HANDLE_INVALID` where it is gone.
    pub fn remove(&self, id: ObjectId) -> Result<()> {
        let login = self.current();
        self.store.remove(login.as_ref().map(|login| &login.token_id), id.0).map_err(as_corrupt)
    }

    /// An object's record, opened and verified. `None` where there is none, or where it is private and nobody is logged in
    /// as user. `CKR_DEVICE_ERROR` where somebody has tampered with it: a search that meets such a one passes over it.
    pub fn fetch(&self, id: ObjectId) -> Result<Option<Record>> {
        let Some(row) = self.store.fetch(id.0).map_err(as_device_error)? else { return Ok(None) };
        match self.current() {
            _ if row.private && !self.is_user() => Ok(None),
            None => Ok(Some(unverified(row))),
            Some(login) => login.records.open(id.0, row).map(Some).map_err(|_| {
                let why = format!("object {} of the store is not what this token stored", id.0);
                log::event(Level::Error, format_args!("{why}"));
                Code::DeviceError.because(why)
            }),
        }
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
