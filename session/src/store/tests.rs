use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tempfile::TempDir;
use transport::partition::{Durable, PartitionBlobs};

use super::*;
use crate::config::{Argon2, Durability};
use crate::pin_slots::{PinSlot, Role, Secrets};

const TOKEN: [u8; 16] = [1; 16];

fn slot(pin: &[u8]) -> PinSlot {
    let cost = Argon2 { memory_kib: 8, passes: 1, lanes: 1 };
    PinSlot::seal(&TOKEN, Role::SecurityOfficer, pin, cost, &Secrets::new(None).unwrap()).unwrap()
}

fn token() -> TokenRow {
    TokenRow { token_id: TOKEN, label: [b'l'; 32], identity: Identity::default(), user_pin: false }
}

fn row(id: &[u8]) -> Row {
    Row {
        class: u64::MAX,
        key_type: Some(3),
        label_key: b"label".to_vec(),
        id_key: id.to_vec(),
        private: false,
        body: vec![7; 100],
        mac: None,
    }
}

/// A folder, and two stores on it, as two processes have.
fn two() -> (TempDir, Store, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/slot0");
    let (a, b) = (Store::new(path.clone(), Durability::Process), Store::new(path, Durability::Process));
    a.initialize(&token(), &slot(b"1234")).unwrap();
    (folder, a, b)
}

fn add(store: &Store, id: &[u8]) -> Result<u64> {
    store.insert(Some(&TOKEN), 1, |_, _| Ok(row(id))).map(|ids| ids[0])
}

fn by_id(store: &Store, id: &[u8]) -> Vec<u64> {
    store.search(&RowSearch { id: Some((id.to_vec(), Vec::new())), ..RowSearch::default() }).unwrap()
}

#[test]
fn looking_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("state/slot0"), Durability::Process);
    assert_eq!(store.token().unwrap(), None);
    assert_eq!(store.attempts().unwrap(), Attempts::default());
    assert_eq!(store.generation().unwrap(), 0);
    assert_eq!(store.search(&RowSearch::default()).unwrap(), Vec::<u64>::new());
    assert_eq!(store.fetch(1).unwrap(), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn only_the_owner_can_read_it() {
    let (_folder, store, _) = two();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.folder()), 0o700);
    for file in fs::read_dir(store.folder()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_token_reads_back() {
    let (_folder, a, b) = two();
    assert_eq!(b.token().unwrap(), Some(token()));
    let user = slot(b"5678");
    a.set_pin_slot(&TOKEN, Role::User, &user).unwrap();
    let (token, read) = b.pin_slot(Role::User).unwrap().unwrap();
    assert!(token.user_pin);
    assert_eq!(read, Some(user));
}

#[test]
fn one_sees_what_the_other_changed() {
    let (_folder, a, b) = two();
    let before = b.generation().unwrap();
    assert_eq!(before, b.generation().unwrap());
    let id = add(&a, b"x").unwrap();
    let after = b.generation().unwrap();
    assert_ne!(before, after);
    assert_eq!(by_id(&b, b"x"), [id]);
    assert_eq!(b.fetch(id).unwrap(), Some(row(b"x")));
    assert!(b.replace(Some(&TOKEN), id, |now| now == row(b"x"), &row(b"y")).unwrap());
    assert!(!b.replace(Some(&TOKEN), id, |now| now == row(b"x"), &row(b"z")).unwrap());
    assert_ne!(after, a.generation().unwrap());
    assert_eq!((by_id(&a, b"x"), by_id(&a, b"y")), (vec![], vec![id]));
    b.remove(Some(&TOKEN), id).unwrap();
    assert_eq!(a.fetch(id).unwrap(), None);
    assert_eq!(a.remove(Some(&TOKEN), id).unwrap_err(), Code::ObjectHandleInvalid);
    assert_eq!(a.replace(Some(&TOKEN), id, |_| true, &row(b"z")).unwrap_err(), Code::ObjectHandleInvalid);
}

#[test]
fn searches_narrow_by_every_column() {
    let (_folder, store, _) = two();
    let rows = [
        Row { class: 1, key_type: None, ..row(b"a") },
        Row { class: 2, label_key: b"other".to_vec(), ..row(b"a") },
        // A private object, whose index columns are keyed hashes.
        Row { class: 2, id_key: b"hash of a".to_vec(), private: true, ..row(b"") },
        // A public one whose id is what a private one's hash would be.
        Row { class: 2, ..row(b"hash of a") },
    ];
    let ids = store.insert(Some(&TOKEN), rows.len(), |index, _| Ok(rows[index].clone())).unwrap();
    let search = |search: RowSearch| {
        let found = store.search(&search).unwrap();
        ids.iter().map(|id| found.contains(id)).collect::<Vec<_>>()
    };
    let any = || RowSearch { private: true, ..RowSearch::default() };
    let id = Some((b"a".to_vec(), b"hash of a".to_vec()));
    assert_eq!(search(any()), [true; 4]);
    assert_eq!(search(RowSearch::default()), [true, true, false, true]);
    assert_eq!(search(RowSearch { id: id.clone(), ..any() }), [true, true, true, false]);
    assert_eq!(search(RowSearch { id: id.clone(), class: Some(2), ..any() }), [false, true, true, false]);
    assert_eq!(search(RowSearch { key_type: Some(3), ..any() }), [false, true, true, true]);
    let label = Some((b"other".to_vec(), b"hash of other".to_vec()));
    assert_eq!(search(RowSearch { label, id, ..any() }), [false, true, false, false]);
}

#[test]
fn an_insert_is_all_or_nothing() {
    let (_folder, store, _) = two();
    let failed =
        store.insert(Some(&TOKEN), 2, |index, _| if index == 0 { Ok(row(b"x")) } else { Err(Code::HostMemory.into()) });
    assert_eq!(failed.unwrap_err(), Code::HostMemory);
    assert_eq!(by_id(&store, b"x"), Vec::<u64>::new());
}

#[test]
fn numbers_are_not_used_twice_even_after_initialization() {
    let (_folder, store, _) = two();
    let first = add(&store, b"x").unwrap();
    store.remove(Some(&TOKEN), first).unwrap();
    let second = add(&store, b"x").unwrap();
    assert!(second > first);
    store.initialize(&token(), &slot(b"1234")).unwrap();
    assert_eq!(by_id(&store, b"x"), Vec::<u64>::new());
    assert!(add(&store, b"x").unwrap() > second);
}

#[test]
fn a_login_to_the_token_that_was_cannot_write() {
    let (_folder, a, b) = two();
    let id = add(&a, b"x").unwrap();
    b.initialize(&TokenRow { token_id: [2; 16], ..token() }, &slot(b"1234")).unwrap();
    assert_eq!(add(&a, b"x").unwrap_err(), Code::DeviceRemoved);
    assert_eq!(a.remove(Some(&TOKEN), id).unwrap_err(), Code::DeviceRemoved);
    assert_eq!(a.set_pin_slot(&TOKEN, Role::User, &slot(b"1234")).unwrap_err(), Code::DeviceRemoved);
}

#[test]
fn nothing_is_stored_on_a_token_that_is_not_initialised() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().into(), Durability::Process);
    let refused = store.insert(None, 1, |_, _| Ok(row(b"x"))).unwrap_err();
    assert_eq!(refused, Code::TokenWriteProtected);
}

#[test]
fn many_writers_lose_nothing() {
    let (folder, store, _) = two();
    let path = folder.path().join("state/slot0");
    let writers: Vec<_> = (0..4u8)
        .map(|writer| {
            let path = path.clone();
            std::thread::spawn(move || {
                let store = Store::new(path, Durability::Process);
                for number in 0..10 {
                    add(&store, &[writer, number]).unwrap();
                    assert_eq!(by_id(&store, &[writer, number]).len(), 1);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(store.search(&RowSearch::default()).unwrap().len(), 40);
}

#[test]
fn a_corrupt_store_is_refused_and_left_alone() {
    for damage in [&b"this is not a database, and long enough for a header; ".repeat(100)[..], &[0; 64]] {
        let (_folder, a, _) = two();
        add(&a, b"x").unwrap();
        let path = a.folder().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[..damage.len()].copy_from_slice(damage);
        fs::write(&path, &bytes).unwrap();
        let store = Store::new(a.folder().into(), Durability::Process);
        assert_eq!(store.token().unwrap_err(), Code::TokenNotRecognized);
        assert_eq!(store.initialize(&token(), &slot(b"1234")).unwrap_err(), Code::TokenNotRecognized);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn somebody_elses_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = Connection::open(folder.path().join(FILE)).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert_eq!(Store::new(folder.path().into(), Durability::Process).token().unwrap_err(), Code::TokenNotRecognized);
    other.execute_batch("PRAGMA user_version = 2").unwrap();
    assert_eq!(Store::new(folder.path().into(), Durability::Process).token().unwrap_err(), Code::TokenNotRecognized);
}

#[test]
fn a_full_disk_loses_nothing() {
    let (_folder, a, b) = two();
    let id = add(&a, b"x").unwrap();
    let pages = |most: u32| {
        let place = a.open.lock();
        place.as_ref().unwrap().database.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
    };
    // SQLite answers a page that it may not have as it answers one that the disk has not.
    pages(1);
    let large = Row { body: vec![0; 1 << 20], ..row(b"y") };
    assert_eq!(a.insert(Some(&TOKEN), 1, |_, _| Ok(large.clone())).unwrap_err(), Code::DeviceMemory);
    for store in [&a, &b] {
        assert_eq!((by_id(store, b"x"), by_id(store, b"y")), (vec![id], vec![]));
    }
    pages(1 << 20);
    a.insert(Some(&TOKEN), 1, |_, _| Ok(large.clone())).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_said_to_be() {
    // Nobody can make a folder there, not even root.
    let store = Store::new("/sys/azihsm-pkcs11/slot0".into(), Durability::Process);
    assert_eq!(store.token().unwrap(), None);
    assert_eq!(store.initialize(&token(), &slot(b"1234")).unwrap_err(), Code::TokenWriteProtected);
}

#[test]
fn a_write_that_was_killed_half_way_is_rolled_back_by_the_next_to_look() {
    let (folder, a, _) = two();
    let id = add(&a, b"x").unwrap();
    let path = a.folder().join(FILE);
    let writer = Connection::open_with_flags_and_vfs(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, c"unix-none").unwrap();
    let killed = folder.path().join("killed");
    fs::create_dir(&killed).unwrap();
    fs::copy(&path, killed.join(FILE)).unwrap();
    let early = Store::new(killed.clone(), Durability::Process);
    let before = early.generation().unwrap();
    // So little cache that changed pages reach the file before the commit, and the journal with them; the page with the
    // change counter, which the version is on too, among them.
    writer
        .execute_batch(
            "PRAGMA journal_mode = TRUNCATE; PRAGMA cache_size = 1; BEGIN IMMEDIATE; PRAGMA user_version = 1;
             UPDATE object SET id_key = x'ff';
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO object (class, label_key, id_key, private, body) SELECT 1, x'00', x'01', 0, zeroblob(500) FROM n;",
        )
        .unwrap();
    // What the disk holds at this moment is what a kill would leave.
    for file in [FILE, JOURNAL] {
        fs::copy(a.folder().join(file), killed.join(file)).unwrap();
    }
    assert!(fs::metadata(killed.join(JOURNAL)).unwrap().len() > 0);
    assert!(fs::metadata(killed.join(FILE)).unwrap().len() > 500 * 1000);
    // A kill in the middle of the commit: the change counter has gone up already.
    let file = OpenOptions::new().write(true).open(killed.join(FILE)).unwrap();
    file.write_all_at(&u32::try_from(before + 1).unwrap().to_be_bytes(), COUNTER).unwrap();
    assert_eq!(early.generation().unwrap(), before, "what is rolled back was never a generation");
    assert_eq!(fs::metadata(killed.join(JOURNAL)).unwrap().len(), 0);
    let after = Store::new(killed, Durability::Process);
    assert_eq!(by_id(&after, b"x"), [id]);
    assert_eq!(after.search(&RowSearch::default()).unwrap(), [id]);
    assert!(add(&after, b"y").unwrap() > id);
}

#[test]
fn blobs_are_kept_as_they_are_changed_even_where_provisioning_fails_later() {
    let (_folder, a, b) = two();
    let blobs = |store: Store| Blobs { store: Arc::new(store), token_id: TOKEN };
    let (a, b) = (blobs(a), blobs(b));
    let failed = a.exclusively(&mut |blobs, save| {
        assert_eq!(*blobs, PartitionBlobs::default());
        blobs.bmk = Some(b"bmk".to_vec());
        save(blobs)?;
        blobs.muk = Some(b"muk".to_vec());
        Err(transport::Error::SessionsExhausted)
    });
    assert_eq!(failed, Err(transport::Error::SessionsExhausted));
    b.exclusively(&mut |blobs, _| {
        assert_eq!((blobs.bmk.as_deref(), &blobs.muk), (Some(&b"bmk"[..]), &None));
        blobs.bmk = None;
        blobs.masked_bk3 = Some(b"bk3".to_vec());
        Ok(())
    })
    .unwrap();
    let generation = a.store.generation().unwrap();
    a.exclusively(&mut |blobs, save| {
        let stored = PartitionBlobs { masked_bk3: Some(b"bk3".to_vec()), ..PartitionBlobs::default() };
        assert_eq!(*blobs, stored);
        save(blobs)
    })
    .unwrap();
    assert_eq!(a.store.generation().unwrap(), generation, "nothing changed, nothing was written");
    // A new token keeps the masked BK3, the chip's own, and nothing else.
    a.store.initialize(&TokenRow { token_id: [2; 16], ..token() }, &slot(b"1234")).unwrap();
    assert!(matches!(b.exclusively(&mut |_, _| Ok(())), Err(transport::Error::Durable(_))));
    let new = Blobs { token_id: [2; 16], ..b };
    new.exclusively(&mut |blobs, _| {
        assert_eq!(blobs.masked_bk3.as_deref(), Some(&b"bk3"[..]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn provisioning_holds_neither_the_database_nor_its_mutex() {
    let (_folder, a, b) = two();
    let a = Blobs { store: Arc::new(a), token_id: TOKEN };
    a.exclusively(&mut |_, _| {
        add(&a.store, b"same process").unwrap();
        add(&b, b"other process").unwrap();
        Ok(())
    })
    .unwrap();
}

#[test]
fn durability_is_what_was_asked_for() {
    for (durability, synchronous) in [(Durability::Power, 2), (Durability::Process, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into(), durability);
        store.initialize(&token(), &slot(b"1234")).unwrap();
        let place = store.open.lock();
        let pragma = |name| place.as_ref().unwrap().database.pragma_query_value(None, name, |row| row.get(0));
        assert_eq!(pragma("synchronous"), Ok(rusqlite::types::Value::Integer(synchronous)));
        assert_eq!(pragma("journal_mode"), Ok(rusqlite::types::Value::Text("truncate".into())));
    }
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    // The killed process is this test itself, started anew with this variable set.
    const CHILD: &str = "AZIHSM_TEST_KILLED_WRITER";
    if let Some(folder) = std::env::var_os(CHILD) {
        let store = Store::new(folder.into(), Durability::Process);
        loop {
            let ids = store.insert(Some(&TOKEN), 3, |_, _| Ok(Row { body: vec![7; 20_000], ..row(b"x") })).unwrap();
            eprintln!("stored {} {} {}", ids[0], ids[1], ids[2]);
        }
    }
    let (_folder, store, _) = two();
    let mut acknowledged = Vec::new();
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::a_killed_writer_loses_nothing_that_it_acknowledged", "--nocapture"])
            .env(CHILD, store.folder())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(std::result::Result::ok);
        let stored = |line: String| -> Vec<u64> {
            line.strip_prefix("stored ")
                .into_iter()
                .flat_map(str::split_whitespace)
                .map(|id| id.parse().unwrap())
                .collect()
        };
        while acknowledged.len() < round * 20 {
            acknowledged.extend(stored(lines.next().expect("the child writes until it is killed")));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.flat_map(stored));
    }
    let found = by_id(&store, b"x");
    assert!(acknowledged.iter().all(|id| found.contains(id)));
    assert_eq!(found.len() % 3, 0, "an insert that was not acknowledged is there whole or not at all");
    assert!(acknowledged.iter().all(|id| store.fetch(*id).unwrap().unwrap().body == vec![7; 20_000]));
    let place = store.open.lock();
    let check: String =
        place.as_ref().unwrap().database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
