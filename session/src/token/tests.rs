use tempfile::TempDir;

use super::*;
use crate::config::{Argon2, Durability};

const CHEAP: PinRules = PinRules { max_attempts: 3, argon2: Argon2 { memory_kib: 8, passes: 1, lanes: 1 } };

#[expect(clippy::unnecessary_wraps, reason = "a PIN as the boundary hands it over")]
fn pin(text: &str) -> Pin {
    Ok(Some(Zeroizing::new(text.as_bytes().to_vec())))
}

/// Another process's view of the token in this folder, on a device that nobody may touch.
fn token(folder: &TempDir) -> Token {
    let untouched = || panic!("no device is needed for this");
    Token::new(Store::new(folder.path().join("slot0"), Durability::Power), CHEAP, Duration::ZERO, Box::new(untouched))
}

/// A token with the SO PIN `so-pin` and the user PIN `user-pin`.
fn initialized() -> (TempDir, Token) {
    let folder = tempfile::tempdir().unwrap();
    let token = token(&folder);
    let secrets = Secrets::new(None).unwrap();
    let row = TokenRow { token_id: [1; 16], label: [b' '; 32], identity: Identity::default(), user_pin: false };
    let slot = PinSlot::seal(&row.token_id, Role::SecurityOfficer, b"so-pin", CHEAP.argon2, &secrets).unwrap();
    token.store.initialize(&row, &slot).unwrap();
    token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    token.initialize_pin(&pin("user-pin")).unwrap();
    token.log_out();
    (folder, token)
}

fn record(id: &[u8], private: bool) -> Record {
    Record {
        class: ObjectClass::SECRET_KEY,
        key_type: Some(KeyType::AES),
        label: b"label".to_vec(),
        id: id.to_vec(),
        private,
        body: Zeroizing::new(id.repeat(3)),
    }
}

fn certificate(id: &[u8]) -> Record {
    Record { class: ObjectClass::CERTIFICATE, key_type: None, ..record(id, false) }
}

/// An object's record; the error of one that is not what the token stored.
fn fetch(token: &Token, id: ObjectId) -> Result<Option<Record>> {
    match token.fetch(id)? {
        None => Ok(None),
        Some(Fetched::Verified(record) | Fetched::Unverified(record)) => Ok(Some(record)),
        Some(Fetched::Tampered(error)) => Err(error),
    }
}

fn everything() -> Search {
    Search::default()
}

#[test]
fn login_and_logout() {
    let (_folder, token) = initialized();
    assert_eq!(token.login_state(), LoginState::Public);
    assert_eq!(token.partition().unwrap_err(), Code::UserNotLoggedIn);
    token.log_in(Role::User, &pin("user-pin")).unwrap();
    assert_eq!(token.login_state(), LoginState::User);
    assert_eq!(token.log_in(Role::User, &pin("user-pin")).unwrap_err(), Code::UserAlreadyLoggedIn);
    let other = token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap_err();
    assert_eq!(other, Code::UserAnotherAlreadyLoggedIn);
    token.log_out();
    assert_eq!(token.login_state(), LoginState::Public);
    token.log_out();
    token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    assert_eq!(token.login_state(), LoginState::SecurityOfficer);
}

#[test]
fn a_null_pin_is_an_argument_error_and_no_try() {
    let (_folder, token) = initialized();
    assert_eq!(token.log_in(Role::User, &Ok(None)).unwrap_err(), Code::ArgumentsBad);
    assert_eq!(token.log_in(Role::User, &Err(crate::call::null())).unwrap_err(), Code::ArgumentsBad);
    assert_eq!(token.facts().unwrap().attempts, Attempts::default());
}

#[test]
fn a_user_without_pin_cannot_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = token(&folder);
    assert_eq!(fresh.log_in(Role::User, &pin("user-pin")).unwrap_err(), Code::UserPinNotInitialized);
    let (_folder, token) = initialized();
    let row = token.store.token().unwrap().unwrap();
    let slot = token.store.pin_slot(Role::SecurityOfficer).unwrap().unwrap().1.unwrap();
    token.store.initialize(&row, &slot).unwrap();
    assert_eq!(token.log_in(Role::User, &pin("user-pin")).unwrap_err(), Code::UserPinNotInitialized);
    assert_eq!(token.facts().unwrap().attempts, Attempts::default());
}

#[test]
fn wrong_pins_lock_over_processes_until_the_so_sets_a_new_one() {
    let (folder, here) = initialized();
    let there = token(&folder);
    for token in [&here, &there, &here] {
        assert_eq!(token.log_in(Role::User, &pin("wrong")).unwrap_err(), Code::PinIncorrect);
    }
    for token in [&here, &there] {
        assert_eq!(token.log_in(Role::User, &pin("user-pin")).unwrap_err(), Code::PinLocked);
        assert_eq!(token.set_pin(&pin("user-pin"), &pin("new-pin")).unwrap_err(), Code::PinLocked);
        assert_eq!(token.facts().unwrap().attempts, Attempts { security_officer: 0, user: 3 });
    }
    here.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    here.initialize_pin(&pin("second")).unwrap();
    here.log_out();
    assert_eq!(there.log_in(Role::User, &pin("user-pin")).unwrap_err(), Code::PinIncorrect);
    there.log_in(Role::User, &pin("second")).unwrap();
    assert_eq!(there.facts().unwrap().attempts, Attempts::default());
}

#[test]
fn pins_change_for_whoever_is_logged_in() {
    let (_folder, token) = initialized();
    assert_eq!(token.set_pin(&pin("wrong"), &pin("second")).unwrap_err(), Code::PinIncorrect);
    assert_eq!(token.set_pin(&pin("user-pin"), &pin("abc")).unwrap_err(), Code::PinLenRange);
    token.set_pin(&pin("user-pin"), &pin("second")).unwrap();
    token.log_in(Role::User, &pin("second")).unwrap();
    token.insert(&[record(b"1", true)]).unwrap();
    token.set_pin(&pin("second"), &pin("third")).unwrap();
    assert_eq!(token.initialize_pin(&pin("fourth")).unwrap_err(), Code::UserNotLoggedIn);
    token.log_out();
    token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    token.set_pin(&pin("so-pin"), &pin("so-second")).unwrap();
    token.log_out();
    assert_eq!(token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap_err(), Code::PinIncorrect);
    token.log_in(Role::SecurityOfficer, &pin("so-second")).unwrap();
    assert_eq!(token.initialize_pin(&pin("abc")).unwrap_err(), Code::PinLenRange);
    token.log_out();
    // The secrets are the same under every PIN, so what was stored before still opens.
    token.log_in(Role::User, &pin("third")).unwrap();
    let [id] = token.search(&everything()).unwrap()[..] else { panic!() };
    assert_eq!(fetch(&token, id).unwrap().unwrap(), record(b"1", true));
}

#[test]
fn an_operation_asks_for_the_pin_again() {
    let (_folder, token) = initialized();
    assert_eq!(token.reauthenticate(&pin("user-pin")).unwrap_err(), Code::UserNotLoggedIn);
    token.log_in(Role::User, &pin("user-pin")).unwrap();
    assert_eq!(token.reauthenticate(&pin("wrong")).unwrap_err(), Code::PinIncorrect);
    assert_eq!(token.facts().unwrap().attempts.user, 1);
    token.reauthenticate(&pin("user-pin")).unwrap();
    assert_eq!(token.facts().unwrap().attempts.user, 0);
}

#[test]
fn private_objects_are_seen_by_the_user_only() {
    let (folder, here) = initialized();
    here.log_in(Role::User, &pin("user-pin")).unwrap();
    let ids = here.insert(&[record(b"1", true), record(b"2", false), certificate(b"3")]).unwrap();
    let there = token(&folder);
    let labelled = Search { label: Some(b"label".to_vec()), ..Search::default() };
    let with_id = |id: &[u8]| Search { id: Some(id.to_vec()), ..Search::default() };
    for search in [&everything(), &labelled] {
        assert_eq!(here.search(search).unwrap(), ids);
        assert_eq!(there.search(search).unwrap(), ids[1..]);
    }
    assert_eq!(fetch(&there, ids[0]).unwrap(), None);
    assert_eq!(there.search(&with_id(b"1")).unwrap(), vec![]);
    assert_eq!(here.search(&with_id(b"1")).unwrap(), ids[..1]);
    assert_eq!(fetch(&here, ids[0]).unwrap().unwrap(), record(b"1", true));
    assert_eq!(fetch(&there, ids[1]).unwrap().unwrap(), record(b"2", false));
    there.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    assert_eq!(there.search(&everything()).unwrap(), ids[1..]);
    assert_eq!(fetch(&there, ids[0]).unwrap(), None);
    assert_eq!(there.insert(&[record(b"4", true)]).unwrap_err(), Code::UserNotLoggedIn);
    there.log_out();
    assert_eq!(there.insert(&[record(b"4", false)]).unwrap_err(), Code::UserNotLoggedIn);
    there.insert(&[certificate(b"5")]).unwrap();
    assert_eq!(here.search(&with_id(b"5")).unwrap().len(), 1);
}

#[test]
fn swapped_bodies_are_refused_and_said_to_be() {
    let (folder, token) = initialized();
    token.log_in(Role::User, &pin("user-pin")).unwrap();
    let ids = token
        .insert(&[record(b"1", true), record(b"2", true), record(b"3", false), record(b"4", false), certificate(b"5")])
        .unwrap();
    let database = rusqlite::Connection::open(folder.path().join("slot0/token.sqlite3")).unwrap();
    let columns = |id: ObjectId| {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let sql = "SELECT body, mac FROM object WHERE id = ?1";
        database.query_row(sql, [id.0.cast_signed()], read).unwrap()
    };
    for (a, b) in [(ids[0], ids[1]), (ids[2], ids[3])] {
        let both: [(Vec<u8>, Option<Vec<u8>>); 2] = [columns(b), columns(a)];
        for (id, (body, mac)) in [a, b].into_iter().zip(both) {
            let sql = "UPDATE object SET body = ?2, mac = ?3 WHERE id = ?1";
            assert_eq!(database.execute(sql, (id.0.cast_signed(), body, mac)).unwrap(), 1);
        }
    }
    drop(database);
    for id in &ids[..4] {
        assert_eq!(fetch(&token, *id).unwrap_err(), Code::DeviceError);
    }
    assert_eq!(fetch(&token, ids[4]).unwrap().unwrap(), certificate(b"5"));
}

#[test]
fn objects_change_and_go() {
    let (_folder, token) = initialized();
    token.log_in(Role::User, &pin("user-pin")).unwrap();
    let [id] = token.insert(&[record(b"1", true)]).unwrap()[..] else { panic!() };
    let before = token.generation().unwrap();
    assert!(!token.replace(id, &record(b"3", true), &record(b"2", true)).unwrap(), "it is another");
    assert_eq!(token.generation().unwrap(), before);
    assert!(token.replace(id, &record(b"1", true), &record(b"2", true)).unwrap());
    assert_ne!(token.generation().unwrap(), before);
    assert_eq!(fetch(&token, id).unwrap().unwrap(), record(b"2", true));
    token.remove(id).unwrap();
    assert_eq!(fetch(&token, id).unwrap(), None);
    assert_eq!(token.remove(id).unwrap_err(), Code::ObjectHandleInvalid);
}

/// A token on an emulated chip of its own.
fn emulated(folder: &TempDir) -> Token {
    use transport::emulator::{Config, Emulator, Options};
    let chip = folder.path().join("slot0/emulator");
    let open =
        move || Ok(Emulator::open(Config { folder: chip.clone(), options: Options::default() })? as Arc<dyn Device>);
    Token::new(Store::new(folder.path().join("slot0"), Durability::Power), CHEAP, Duration::ZERO, Box::new(open))
}

#[test]
fn a_token_is_made_on_a_chip_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let token = emulated(&folder);
    let before = token.facts().unwrap();
    assert!(before.row.is_none());
    assert!(before.identity.serial.len() >= 16);
    assert_eq!(token.initialize(&pin("abc"), [b'a'; 32]).unwrap_err(), Code::PinLenRange);
    token.initialize(&pin("so-pin"), [b'a'; 32]).unwrap();
    let made = token.facts().unwrap();
    assert_eq!(made.identity, before.identity);
    assert_eq!(made.row.unwrap().label, [b'a'; 32]);

    token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    token.initialize_pin(&pin("user-pin")).unwrap();
    token.log_out();
    token.log_in(Role::User, &pin("user-pin")).unwrap();
    token.insert(&[record(b"1", true)]).unwrap();
    let sealed = token.partition().unwrap().seal(b"context", b"value").unwrap();
    token.log_out();

    // Another process, another life of the chip: what was sealed in the first opens.
    let other = emulated(&folder);
    other.log_in(Role::User, &pin("user-pin")).unwrap();
    assert_eq!(*other.partition().unwrap().unseal(b"context", &sealed).unwrap(), b"value");
    other.log_out();

    assert_eq!(token.initialize(&pin("wrong"), [b'b'; 32]).unwrap_err(), Code::PinIncorrect);
    token.initialize(&pin("so-pin"), [b'b'; 32]).unwrap();
    let again = token.facts().unwrap().row.unwrap();
    assert_eq!((again.label, again.user_pin), ([b'b'; 32], false));
    assert_eq!(token.search(&everything()).unwrap(), vec![]);
    token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
    token.initialize_pin(&pin("user-pin")).unwrap();
    token.log_out();
    token.log_in(Role::User, &pin("user-pin")).unwrap();
    let partition = token.partition().unwrap();
    assert!(partition.unseal(b"context", &sealed).is_err(), "the keys of the token that was are gone");
    let sealed = partition.seal(b"context", b"value").unwrap();
    assert_eq!(*partition.unseal(b"context", &sealed).unwrap(), b"value");
}

#[test]
fn a_corrupt_store_is_a_device_error_where_the_standard_has_no_better_word() {
    let (folder, _) = initialized();
    std::fs::write(folder.path().join("slot0/token.sqlite3"), b"garbage ".repeat(1000)).unwrap();
    let token = token(&folder);
    assert_eq!(token.facts().unwrap_err(), Code::TokenNotRecognized);
    assert_eq!(token.log_in(Role::User, &pin("user-pin")).unwrap_err(), Code::DeviceError);
    assert_eq!(token.search(&everything()).unwrap_err(), Code::DeviceError);
    assert_eq!(fetch(&token, ObjectId(1)).unwrap_err(), Code::DeviceError);
    assert_eq!(token.insert(&[certificate(b"1")]).unwrap_err(), Code::DeviceError);
}

#[test]
fn a_process_finds_its_way_to_a_token_that_another_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (emulated(&folder), emulated(&folder));
    let with_user = |token: &Token| {
        token.initialize(&pin("so-pin"), [b'a'; 32]).unwrap();
        token.log_in(Role::SecurityOfficer, &pin("so-pin")).unwrap();
        token.initialize_pin(&pin("user-pin")).unwrap();
        token.log_out();
    };
    with_user(&here);
    there.log_in(Role::User, &pin("user-pin")).unwrap();
    let sealed = there.partition().unwrap().seal(b"context", b"value").unwrap();
    there.insert(&[record(b"1", true)]).unwrap();

    with_user(&here);
    assert_eq!(there.search(&everything()).unwrap(), vec![]);
    assert_eq!(there.insert(&[record(b"2", true)]).unwrap_err(), Code::DeviceRemoved);
    there.log_out();
    there.log_in(Role::User, &pin("user-pin")).unwrap();
    let partition = there.partition().unwrap();
    assert!(partition.unseal(b"context", &sealed).is_err());
    let sealed = partition.seal(b"context", b"value").unwrap();
    there.insert(&[record(b"2", true)]).unwrap();
    here.log_in(Role::User, &pin("user-pin")).unwrap();
    assert_eq!(*here.partition().unwrap().unseal(b"context", &sealed).unwrap(), b"value");
    assert_eq!(here.search(&everything()).unwrap().len(), 1);
}
