//! The token itself: who it is, and its PIN slots.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Failure, Store};
use crate::config::Argon2;
use crate::pin_slots::{PinSlot, Role};
use crate::{Code, Result};

/// What says which partition a token is on; found by probing, and kept, so that `C_GetTokenInfo` stays cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Serial number from the partition identity.
    pub(crate) serial: String,
    /// Firmware revision.
    pub(crate) firmware: String,
}

/// A token that was initialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRow {
    /// Random, new with every `C_InitToken`: a login made before the last one must not write.
    pub(crate) token_id: [u8; 16],
    /// As `C_InitToken` got it.
    pub(crate) label: [u8; 32],
    /// Where it lives.
    pub(crate) identity: Identity,
    /// Whether the user has a PIN.
    pub(crate) user_pin: bool,
}

impl Store {
    /// The token; `None` where it is not initialised.
    pub(crate) fn token(&self) -> Result<Option<TokenRow>> {
        self.read(read_token).map(Option::flatten)
    }

    /// The token and one of its PIN slots.
    pub(crate) fn pin_slot(&self, role: Role) -> Result<Option<(TokenRow, Option<PinSlot>)>> {
        let read = |database: &Connection| {
            let Some(token) = read_token(database)? else { return Ok(None) };
            let slot = database
                .prepare_cached("SELECT salt, memory_kib, passes, lanes, sealed FROM pin WHERE role = ?1")?
                .query_row([role as u8], |row| {
                    let cost = Argon2 { memory_kib: row.get(1)?, passes: row.get(2)?, lanes: row.get(3)? };
                    Ok(PinSlot { salt: row.get(0)?, cost, sealed: row.get(4)? })
                })
                .optional()?;
            Ok(Some((token, slot)))
        };
        self.read(read).map(Option::flatten)
    }

    /// Makes the token anew: no objects, no blobs but the masked BK3, no PIN but the SO's. Numbers of objects that were
    /// are not used again.
    pub(crate) fn initialize(&self, token: &TokenRow, security_officer: &PinSlot) -> Result<()> {
        self.write(|transaction| {
            transaction.execute_batch(
                "DELETE FROM object; DELETE FROM pin; DELETE FROM token; DELETE FROM blob WHERE name != 'masked_bk3';",
            )?;
            transaction.execute(
                "INSERT INTO token (one, token_id, label, serial, firmware) VALUES (1, ?1, ?2, ?3, ?4)",
                params![token.token_id, token.label, token.identity.serial, token.identity.firmware],
            )?;
            put_pin_slot(transaction, Role::SecurityOfficer, security_officer)
        })
    }

    /// Sets a PIN slot; refused where the token has been initialised anew since the login that sets it.
    pub(crate) fn set_pin_slot(&self, token_id: &[u8; 16], role: Role, slot: &PinSlot) -> Result<()> {
        self.write(|transaction| {
            still(transaction, token_id)?;
            put_pin_slot(transaction, role, slot)
        })
    }
}

/// Refuses to go on where the token is not the one of the login: another process has initialised it anew.
pub(super) fn still(database: &Connection, token_id: &[u8; 16]) -> Result<(), Failure> {
    let now: Option<[u8; 16]> = database
        .prepare_cached("SELECT token_id FROM token WHERE one = 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if now.as_ref() == Some(token_id) {
        Ok(())
    } else {
        Err(Code::DeviceRemoved.because("the token was initialised anew by another process").into())
    }
}

fn read_token(database: &Connection) -> Result<Option<TokenRow>, Failure> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(TokenRow {
            token_id: row.get(0)?,
            label: row.get(1)?,
            identity: Identity { serial: row.get(2)?, firmware: row.get(3)? },
            user_pin: row.get(4)?,
        })
    };
    let sql = "SELECT token_id, label, serial, firmware, EXISTS (SELECT 1 FROM pin WHERE role = 1)
        FROM token WHERE one = 1";
    Ok(database.prepare_cached(sql)?.query_row([], read).optional()?)
}

fn put_pin_slot(transaction: &Transaction<'_>, role: Role, slot: &PinSlot) -> Result<(), Failure> {
    transaction.execute(
        "INSERT OR REPLACE INTO pin (role, salt, memory_kib, passes, lanes, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![role as u8, slot.salt, slot.cost.memory_kib, slot.cost.passes, slot.cost.lanes, slot.sealed],
    )?;
    Ok(())
}
