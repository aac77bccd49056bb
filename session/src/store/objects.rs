//! Objects as rows. What the columns mean, and who may trust them, is `token::records`.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

use super::tokens::still;
use super::{Failure, Store};
use crate::{Code, Result};

/// A stored object, without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) class: u64,
    pub(crate) key_type: Option<u64>,
    pub(crate) label_key: Vec<u8>,
    pub(crate) id_key: Vec<u8>,
    pub(crate) private: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) mac: Option<Vec<u8>>,
}

/// What a search goes by.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowSearch {
    pub(crate) class: Option<u64>,
    pub(crate) key_type: Option<u64>,
    /// The label as a public object has it, and as a private one has it.
    pub(crate) label: Option<(Vec<u8>, Vec<u8>)>,
    /// The id, likewise.
    pub(crate) id: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether private objects are wanted too.
    pub(crate) private: bool,
}

impl Store {
    /// Adds objects, all or none; `make` builds each row for the number that it gets. Where a login is behind it,
    /// `token_id` is the token that it logged in to.
    pub(crate) fn insert(
        &self,
        token_id: Option<&[u8; 16]>,
        count: usize,
        mut make: impl FnMut(usize, u64) -> Result<Row>,
    ) -> Result<Vec<u64>> {
        self.write(|transaction| {
            present(transaction, token_id)?;
            let last: Option<i64> = transaction
                .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'object'")?
                .query_row([], |row| row.get(0))
                .optional()?;
            let first = last.unwrap_or(0).cast_unsigned() + 1;
            let mut statement = transaction.prepare_cached(
                "INSERT INTO object (id, class, key_type, label_key, id_key, private, body, mac)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            (first..)
                .zip(0..count)
                .map(|(id, index)| {
                    let row = make(index, id)?;
                    statement.execute(params![
                        id.cast_signed(),
                        row.class.cast_signed(),
                        row.key_type.map(u64::cast_signed),
                        row.label_key,
                        row.id_key,
                        row.private,
                        row.body,
                        row.mac
                    ])?;
                    Ok(id)
                })
                .collect()
        })
    }

    /// Replaces an object where its row is still the one that was to be replaced; `false` where it is another.
    pub(crate) fn replace(
        &self,
        token_id: Option<&[u8; 16]>,
        id: u64,
        same: impl FnOnce(Row) -> bool,
        row: &Row,
    ) -> Result<bool> {
        self.write(|transaction| {
            present(transaction, token_id)?;
            let now = fetch(transaction, id)?.ok_or(Code::ObjectHandleInvalid)?;
            if !same(now) {
                return Ok(false);
            }
            transaction
                .prepare_cached(
                    "UPDATE object SET class = ?2, key_type = ?3, label_key = ?4, id_key = ?5, private = ?6, body = ?7,
                        mac = ?8 WHERE id = ?1",
                )?
                .execute(params![
                    id.cast_signed(),
                    row.class.cast_signed(),
                    row.key_type.map(u64::cast_signed),
                    row.label_key,
                    row.id_key,
                    row.private,
                    row.body,
                    row.mac
                ])?;
            Ok(true)
        })
    }

    /// Removes an object.
    pub(crate) fn remove(&self, token_id: Option<&[u8; 16]>, id: u64) -> Result<()> {
        self.write(|transaction| {
            present(transaction, token_id)?;
            let changed =
                transaction.prepare_cached("DELETE FROM object WHERE id = ?1")?.execute([id.cast_signed()])?;
            if changed == 1 { Ok(()) } else { Err(Code::ObjectHandleInvalid.into()) }
        })
    }

    /// An object's row.
    pub(crate) fn fetch(&self, id: u64) -> Result<Option<Row>> {
        self.read(|database| fetch(database, id)).map(Option::flatten)
    }

    /// The numbers of the objects that match, oldest first.
    pub(crate) fn search(&self, search: &RowSearch) -> Result<Vec<u64>> {
        let mut sql = String::from("SELECT id FROM object WHERE true");
        let mut values: Vec<(usize, Value)> = Vec::new();
        if let Some((public, private)) = &search.id {
            sql += BY_ID;
            values.extend([(1, Value::Blob(public.clone())), (2, Value::Blob(private.clone()))]);
        }
        if let Some((public, private)) = &search.label {
            sql += BY_LABEL;
            values.extend([(3, Value::Blob(public.clone())), (4, Value::Blob(private.clone()))]);
        }
        if let Some(class) = search.class {
            sql += BY_CLASS;
            values.push((5, Value::Integer(class.cast_signed())));
        }
        if let Some(key_type) = search.key_type {
            sql += BY_KEY_TYPE;
            values.push((6, Value::Integer(key_type.cast_signed())));
        }
        if !search.private {
            sql += " AND private = 0";
        }
        sql += " ORDER BY id";
        let read = |database: &Connection| {
            let mut statement = database.prepare_cached(&sql)?;
            for (index, value) in &values {
                statement.raw_bind_parameter(*index, value)?;
            }
            let mut rows = statement.raw_query();
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                ids.push(row.get::<_, i64>(0)?.cast_unsigned());
            }
            Ok(ids)
        };
        self.read(read).map(Option::unwrap_or_default)
    }
}

fn fetch(database: &Connection, id: u64) -> Result<Option<Row>, Failure> {
    let sql = "SELECT class, key_type, label_key, id_key, private, body, mac FROM object WHERE id = ?1";
    let row = database.prepare_cached(sql)?.query_row([id.cast_signed()], |row| {
        Ok(Row {
            class: row.get::<_, i64>(0)?.cast_unsigned(),
            key_type: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            label_key: row.get(2)?,
            id_key: row.get(3)?,
            private: row.get(4)?,
            body: row.get(5)?,
            mac: row.get(6)?,
        })
    });
    Ok(row.optional()?)
}

/// The token is there; and is the one of the login, where there is a login.
fn present(database: &Connection, token_id: Option<&[u8; 16]>) -> Result<(), Failure> {
    if let Some(token_id) = token_id {
        return still(database, token_id);
    }
    let any = database.prepare_cached("SELECT 1 FROM token")?.query_row([], |_| Ok(())).optional()?;
    any.ok_or_else(|| Code::TokenWriteProtected.because("the token is not initialised").into())
}

// The index finds a row under either form of the column; the form that belongs to it decides.
const BY_ID: &str = " AND id_key IN (?1, ?2) AND id_key = CASE private WHEN 0 THEN ?1 ELSE ?2 END";
const BY_LABEL: &str = " AND label_key IN (?3, ?4) AND label_key = CASE private WHEN 0 THEN ?3 ELSE ?4 END";
// The plus keeps a column out of the choice of an index.
const BY_CLASS: &str = " AND +class = ?5";
const BY_KEY_TYPE: &str = " AND +key_type = ?6";
