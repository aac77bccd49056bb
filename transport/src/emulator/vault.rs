//! The vault: key tables with the firmware's limits, entries, tags and bulk slots (semantics 5.1, 5.2, 5.5 to 5.7).

use std::collections::HashMap;
use std::sync::Arc;

use super::keys::Material;
use crate::ddi::{KeyType, Status, Usage};

/// Whose a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Every session of the partition may use it.
    App,
    /// Only this session may.
    Session(u8),
    /// The device itself.
    Internal,
    /// Somebody that is not in this emulation: nobody can use, see or delete the key.
    Stranger,
}

/// One key in a table.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What it is.
    pub(crate) kind: KeyType,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// Its usage group; internal keys without use have none.
    pub(crate) usage: Option<Usage>,
    /// Whether it was made in the device.
    pub(crate) local: bool,
    /// Its tag, of an App key.
    pub(crate) tag: Option<u16>,
    /// Its value, ready for use.
    pub(crate) material: Arc<Material>,
    disabled: bool,
    bulk: Option<u8>,
}

impl Entry {
    /// An entry that is not yet in a table.
    pub(crate) fn new(
        kind: KeyType,
        owner: Owner,
        usage: Option<Usage>,
        local: bool,
        tag: Option<u16>,
        material: Arc<Material>,
    ) -> Self {
        Self { kind, owner, usage, local, tag, material, disabled: false, bulk: None }
    }
}

/// Where a key went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Key id: `table << 8 | entry`.
    pub(crate) id: u16,
    /// Bulk key id, of a bulk key.
    pub(crate) bulk: Option<u16>,
}

/// All tables of a partition.
#[derive(Debug)]
pub(crate) struct Vault {
    tables: Vec<Table>,
    tags: HashMap<u16, u16>,
    bulk_id_is_key_id: bool,
}

#[derive(Debug)]
struct Table {
    entries: Vec<Option<Entry>>,
    /// Offset, length and entry of each key, by offset.
    runs: Vec<(usize, usize, u8)>,
    bulk: [Option<u8>; BULK_SLOTS],
}

impl Vault {
    /// An empty vault.
    pub(crate) fn new(tables: u8, bulk_id_is_key_id: bool) -> Self {
        let table = || Table {
            entries: std::iter::repeat_with(|| None).take(ENTRIES).collect(),
            runs: Vec::new(),
            bulk: [None; BULK_SLOTS],
        };
        Self {
            tables: std::iter::repeat_with(table).take(tables.into()).collect(),
            tags: HashMap::new(),
            bulk_id_is_key_id,
        }
    }

    /// Puts a key of `raw` bytes into the first table that has a free entry and a contiguous run for it.
    pub(crate) fn insert(&mut self, mut entry: Entry, raw: usize) -> Result<Placed, Status> {
        if entry.tag.is_some_and(|tag| self.tags.contains_key(&tag)) {
            return Err(Status::KEY_TAG_ALREADY_EXISTS);
        }
        let cost = ATTRIBUTES + raw.next_multiple_of(8);
        let wants_bulk = is_bulk(entry.kind);
        let mut refusal = Status::NOT_ENOUGH_SPACE;
        for (number, table) in (0u16..).zip(&mut self.tables) {
            let Some((index, slot)) = (0u8..=255).zip(&table.entries).find(|(_, slot)| slot.is_none()) else {
                continue;
            };
            debug_assert!(slot.is_none());
            let Some(at) = table.gap(cost) else {
                if table.free_bytes() >= cost {
                    refusal = Status::DEFRAGMENTATION_NEEDED;
                }
                continue;
            };
            let bulk = table.bulk.iter().position(Option::is_none);
            if wants_bulk && bulk.is_none() {
                refusal = Status::REACHED_MAX_AES_BULK_KEYS;
                continue;
            }
            let id = number << 8 | u16::from(index);
            let mut placed = Placed { id, bulk: None };
            if let (true, Some(slot)) = (wants_bulk, bulk) {
                table.bulk[slot] = Some(index);
                let slot = u8::try_from(slot).expect("seven slots");
                entry.bulk = Some(slot);
                placed.bulk =
                    Some(if self.bulk_id_is_key_id { id } else { number << BULK_TABLE_SHIFT | u16::from(slot) });
            }
            if let Some(tag) = entry.tag {
                self.tags.insert(tag, id);
            }
            let position = table.runs.partition_point(|(offset, ..)| *offset < at);
            table.runs.insert(position, (at, cost, index));
            table.entries[usize::from(index)] = Some(entry);
            return Ok(placed);
        }
        Err(refusal)
    }

    /// The key of this id, for whoever may see it: not for a session that is not its own, and never an internal one.
    pub(crate) fn visible(&self, id: u16, session: u8) -> Result<&Entry, Status> {
        let entry = self.entry(id).ok_or(Status::KEY_NOT_FOUND)?;
        match entry.owner {
            Owner::App => Ok(entry),
            Owner::Session(owner) if owner == session => Ok(entry),
            Owner::Session(_) | Owner::Internal | Owner::Stranger => Err(Status::INVALID_PERMISSIONS),
        }
    }

    /// The key of this id, checked in the firmware's order: visible, kind, usage (semantics 5.6).
    pub(crate) fn usable(
        &self,
        id: u16,
        session: u8,
        kind: impl FnOnce(KeyType) -> bool,
        usage: Usage,
    ) -> Result<&Entry, Status> {
        let entry = self.visible(id, session)?;
        if !kind(entry.kind) {
            return Err(Status::INVALID_KEY_TYPE);
        }
        if entry.usage != Some(usage) {
            return Err(Status::INVALID_PERMISSIONS);
        }
        Ok(entry)
    }

    /// The key of this id, if it lives, whoever asks.
    pub(crate) fn entry(&self, id: u16) -> Option<&Entry> {
        let table = self.tables.get(usize::from(id >> 8))?;
        table.entries[usize::from(id & 0xff)].as_ref().filter(|entry| !entry.disabled)
    }

    /// The bulk key of this bulk key id; ordinary key ids name nothing here.
    pub(crate) fn bulk(&self, bulk_id: u16) -> Option<&Entry> {
        if self.bulk_id_is_key_id {
            return self.entry(bulk_id).filter(|entry| entry.bulk.is_some());
        }
        let table = self.tables.get(usize::from(bulk_id >> BULK_TABLE_SHIFT))?;
        let index = (*table.bulk.get(usize::from(bulk_id & 7))?)?;
        table.entries[usize::from(index)].as_ref().filter(|entry| !entry.disabled)
    }

    /// The bulk key id of a key.
    pub(crate) fn bulk_id(&self, id: u16) -> Option<u16> {
        let slot = self.entry(id)?.bulk?;
        Some(if self.bulk_id_is_key_id { id } else { (id >> 8) << BULK_TABLE_SHIFT | u16::from(slot) })
    }

    /// The App key of this tag.
    pub(crate) fn tagged(&self, tag: u16) -> Option<u16> {
        self.tags.get(&tag).copied().filter(|id| self.entry(*id).is_some())
    }

    /// Whether an App key has this tag.
    pub(crate) fn has_tag(&self, tag: u16) -> bool {
        self.tags.contains_key(&tag)
    }

    /// Makes a key unusable until it is deleted.
    pub(crate) fn disable(&mut self, id: u16) {
        if let Some(Some(entry)) =
            self.tables.get_mut(usize::from(id >> 8)).map(|table| &mut table.entries[usize::from(id & 0xff)])
        {
            entry.disabled = true;
        }
    }

    /// A disabled key, which only DeleteKey may see.
    pub(crate) fn disabled(&self, id: u16) -> Option<&Entry> {
        let table = self.tables.get(usize::from(id >> 8))?;
        table.entries[usize::from(id & 0xff)].as_ref().filter(|entry| entry.disabled)
    }

    /// Removes a key; its id is free at once.
    pub(crate) fn remove(&mut self, id: u16) -> Option<Entry> {
        let index = u8::try_from(id & 0xff).expect("masked to a byte");
        let table = self.tables.get_mut(usize::from(id >> 8))?;
        let entry = table.entries[usize::from(index)].take()?;
        table.runs.retain(|(.., owner)| *owner != index);
        if let Some(slot) = entry.bulk {
            table.bulk[usize::from(slot)] = None;
        }
        if let Some(tag) = entry.tag {
            self.tags.remove(&tag);
        }
        Some(entry)
    }

    /// Puts strangers' keys into the tables until these have no more than so much left.
    pub(crate) fn fill(&mut self, leave_bytes: usize, leave_bulk: usize) {
        let stranger = |kind| Entry::new(kind, Owner::Stranger, None, true, None, Arc::new(Material::Internal));
        let left = |vault: &Self| vault.tables.iter().map(|table| table.bulk.iter().flatten().count()).sum::<usize>();
        let places = self.tables.len() * BULK_SLOTS;
        while places - left(self) > leave_bulk && self.insert(stranger(KeyType::AES_GCM_BULK_256), STRANGER_RAW).is_ok()
        {
        }
        while self.tables.iter().map(Table::free_bytes).sum::<usize>() > leave_bytes
            && self.insert(stranger(KeyType::AES_256), STRANGER_RAW).is_ok()
        {}
    }

    /// Removes all strangers' keys.
    pub(crate) fn remove_strangers(&mut self) {
        self.remove_of(Owner::Stranger);
    }

    /// Removes all keys of a session.
    pub(crate) fn remove_session(&mut self, session: u8) {
        self.remove_of(Owner::Session(session));
    }

    fn remove_of(&mut self, owner: Owner) {
        let ids: Vec<u16> = (0u16..)
            .zip(&self.tables)
            .flat_map(|(number, table)| {
                (0u16..).zip(&table.entries).filter_map(move |(index, entry)| {
                    let theirs = entry.as_ref().is_some_and(|entry| entry.owner == owner);
                    theirs.then_some(number << 8 | index)
                })
            })
            .collect();
        for id in ids {
            self.remove(id);
        }
    }
}

impl Table {
    /// First offset where `len` bytes are free.
    fn gap(&self, len: usize) -> Option<usize> {
        let mut at = 0;
        for (offset, taken, _) in &self.runs {
            if offset - at >= len {
                return Some(at);
            }
            at = offset + taken;
        }
        (TABLE_BYTES - at >= len).then_some(at)
    }

    fn free_bytes(&self) -> usize {
        TABLE_BYTES - self.runs.iter().map(|(_, len, _)| len).sum::<usize>()
    }
}

/// Whether keys of this kind live in a bulk slot of the fast path.
pub(crate) fn is_bulk(kind: KeyType) -> bool {
    matches!(kind, KeyType::AES_XTS_BULK_256 | KeyType::AES_GCM_BULK_256 | KeyType::AES_GCM_BULK_256_UNAPPROVED)
}

const ENTRIES: usize = 256;
/// Key memory of a table: 17 KiB slab less 2048 for the entry list and 256 for the map.
const TABLE_BYTES: usize = 15104;
/// Attributes of every entry.
const ATTRIBUTES: usize = 32;
/// Key bytes of a stranger's key.
const STRANGER_RAW: usize = 32;
const BULK_SLOTS: usize = 7;
const BULK_TABLE_SHIFT: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: KeyType, owner: Owner, tag: Option<u16>) -> Entry {
        Entry::new(kind, owner, Some(Usage::EncryptDecrypt), true, tag, Arc::new(Material::Internal))
    }

    fn fill(vault: &mut Vault, raw: usize) -> (usize, Status) {
        let mut count = 0;
        loop {
            match vault.insert(key(KeyType::AES_256, Owner::App, None), raw) {
                Ok(_) => count += 1,
                Err(status) => return (count, status),
            }
        }
    }

    #[test]
    fn row_12_the_worked_example_of_section_5_2() {
        for (raw, room) in [(1284, 10), (2564, 5), (32, 221)] {
            let mut vault = Vault::new(1, false);
            for internal in [80, 516, 144, 88] {
                vault.insert(key(KeyType::AES_CBC_256_HMAC_384, Owner::Internal, None), internal).unwrap();
            }
            assert_eq!(fill(&mut vault, raw), (room, Status::NOT_ENOUGH_SPACE));
        }
    }

    #[test]
    fn row_12_a_table_has_256_entries_and_ids_are_reused_at_once() {
        let mut vault = Vault::new(2, false);
        assert_eq!(fill(&mut vault, 16), (512, Status::NOT_ENOUGH_SPACE));
        vault.remove(0x0103).unwrap();
        vault.remove(0x0007).unwrap();
        assert_eq!(vault.insert(key(KeyType::AES_128, Owner::App, None), 16).unwrap().id, 0x0007);
        assert_eq!(vault.insert(key(KeyType::AES_128, Owner::App, None), 16).unwrap().id, 0x0103);
    }

    #[test]
    fn row_12_scattered_room_asks_for_defragmentation() {
        let mut vault = Vault::new(1, false);
        let (count, _) = fill(&mut vault, 516);
        for id in (0..u16::try_from(count).unwrap()).step_by(2) {
            vault.remove(id).unwrap();
        }
        let refused = vault.insert(key(KeyType::RSA_4K_PRIVATE_CRT, Owner::App, None), 2564);
        assert_eq!(refused, Err(Status::DEFRAGMENTATION_NEEDED));
    }

    #[test]
    fn row_12_and_18_seven_bulk_keys_per_table_under_ids_of_their_own() {
        let mut vault = Vault::new(2, false);
        vault.insert(key(KeyType::AES_256, Owner::App, None), 32).unwrap();
        let bulk: Vec<Placed> =
            (0..14).map(|_| vault.insert(key(KeyType::AES_GCM_BULK_256, Owner::App, None), 2).unwrap()).collect();
        assert_eq!(bulk[0], Placed { id: 1, bulk: Some(0) });
        assert_eq!(bulk[7], Placed { id: 0x100, bulk: Some(8) });
        let refused = vault.insert(key(KeyType::AES_XTS_BULK_256, Owner::App, None), 2);
        assert_eq!(refused, Err(Status::REACHED_MAX_AES_BULK_KEYS));
        assert!(vault.bulk(7).is_none());
        assert!(vault.bulk(0x100).is_none());
        assert!(vault.bulk(8).is_some());
        vault.remove(bulk[2].id).unwrap();
        assert!(vault.bulk(2).is_none());
        assert_eq!(vault.insert(key(KeyType::AES_XTS_BULK_256, Owner::App, None), 2).unwrap().bulk, Some(2));
    }

    #[test]
    fn strangers_leave_what_they_are_told_to_and_go_when_they_are_told_to() {
        let mut vault = Vault::new(1, false);
        vault.fill(600, 2);
        let (count, _) = fill(&mut vault, 32);
        assert_eq!(count, 600 / 64);
        assert!(vault.tables[0].free_bytes() < 64);
        vault.remove_strangers();
        vault.fill(TABLE_BYTES, 2);
        let gcm = || key(KeyType::AES_GCM_BULK_256, Owner::App, None);
        vault.insert(gcm(), 2).unwrap();
        let stranger =
            (0..256).find(|id| vault.entry(*id).is_some_and(|entry| entry.owner == Owner::Stranger)).unwrap();
        assert_eq!(vault.visible(stranger, 0).unwrap_err(), Status::INVALID_PERMISSIONS);
        vault.insert(gcm(), 2).unwrap();
        assert_eq!(vault.insert(gcm(), 2), Err(Status::REACHED_MAX_AES_BULK_KEYS));
        vault.remove_strangers();
        vault.insert(gcm(), 2).unwrap();
    }

    #[test]
    fn row_14_tags_are_unique_while_the_key_lives() {
        let mut vault = Vault::new(1, false);
        let id = vault.insert(key(KeyType::AES_256, Owner::App, Some(9)), 32).unwrap().id;
        let second = vault.insert(key(KeyType::AES_256, Owner::App, Some(9)), 32);
        assert_eq!(second, Err(Status::KEY_TAG_ALREADY_EXISTS));
        assert_eq!(vault.tagged(9), Some(id));
        vault.remove(id);
        assert_eq!(vault.tagged(9), None);
        vault.insert(key(KeyType::AES_256, Owner::App, Some(9)), 32).unwrap();
    }

    #[test]
    fn row_15_sessions_see_their_own_keys_only() {
        let mut vault = Vault::new(1, false);
        let mine = vault.insert(key(KeyType::AES_256, Owner::Session(3), None), 32).unwrap().id;
        let internal = vault.insert(key(KeyType::RSA_2K_PRIVATE, Owner::Internal, None), 516).unwrap().id;
        assert!(vault.visible(mine, 3).is_ok());
        assert_eq!(vault.visible(mine, 4).unwrap_err(), Status::INVALID_PERMISSIONS);
        assert_eq!(vault.visible(internal, 3).unwrap_err(), Status::INVALID_PERMISSIONS);
        assert_eq!(vault.visible(0x0900, 3).unwrap_err(), Status::KEY_NOT_FOUND);
        vault.remove_session(3);
        assert_eq!(vault.visible(mine, 3).unwrap_err(), Status::KEY_NOT_FOUND);
        assert!(vault.entry(internal).is_some());
    }
}
