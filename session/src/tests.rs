//! The rooms together, on the emulated HSM. A process has one library, so one test runs all scenes, each on a slot of
//! its own.

mod hands;

use mechanisms::ck::{KeyType, MechanismType, ObjectClass};
use mechanisms::key::Policy;
use mechanisms::params::{Mechanism, Params};

use crate::attribute::{Attribute, AttributeType as A, AttributeValue};
use crate::call::{ObjectHandle, Reply, Room, SlotId};
use crate::config::{Argon2, Config, Durability, Pin, Transport};
use crate::library::Library;
use crate::object::AttributeReply;
use crate::{Code, decrypt, encrypt, general, key, login, object, sessions, sign, slot, verify};

use hands::*;

/// What a scene shows, and the scene.
type Scene = (&'static str, fn(SlotId));

/// The scenes, each on the slot of its place in the list.
const SCENES: &[Scene] = &[
    ("a slot without token has no sessions", no_token),
    ("an operation lives on for a size query only", operation_life),
    ("each use of some keys takes a login", always_authenticate),
    ("so does a use in one call", always_authenticate_in_one_call),
    ("a base key's template counts", derive_template),
    ("handles to private objects end with the login", handles_after_logout),
    ("session objects are seen by all and go with their session", session_objects),
    ("an answer waits for a buffer that fits", unfit_answers),
    ("a value can be hidden but not shown again", sealing),
    ("check values do not depend on where a key lives", check_values),
    ("an RSA key goes out and in again", rsa_out_and_in),
    ("a search tells what each object is", searches),
    ("the partition's own key is there for the user alone", builtin_objects),
    ("read-only sessions change no token objects", read_only),
    ("threads use one key and their own sessions", threads),
    ("a login verifies again what was seen before it", seen_before_login),
    ("a tampered record hides itself, not the others", tampered),
    ("a value that takes a login is sensitive without one", out_of_reach),
    ("two changes at once are both made", changes_at_once),
    ("a logout ends every use of the HSM", logout_ends_uses),
    ("no login outlives the last session", login_meanwhile),
    ("what is made while its session closes is gone with it", closed_meanwhile),
];

#[test]
fn scenes() {
    let folder = tempfile::tempdir().unwrap();
    Library::install(|| {
        let config = Config {
            transport: Transport::Emulator,
            state: folder.path().to_owned(),
            policy: Policy::Standard,
            allow_conflicting_usage: false,
            log_level: crate::log::Level::Off,
            log_target: crate::log::Target::Stderr,
            pin: Pin { max_attempts: 10, argon2: Argon2 { memory_kib: 8, passes: 1, lanes: 1 } },
            slots: SCENES.len().try_into().unwrap(),
            session_wait_ms: 1000,
            allow_gcm_iv_reuse: false,
            durability: Durability::Process,
            emulator: transport::emulator::Options::default(),
        };
        Ok(Library::new(config))
    })
    .unwrap();
    for (number, (name, scene)) in SCENES.iter().enumerate() {
        let outcome = std::panic::catch_unwind(|| scene(SlotId(number as u64)));
        assert!(outcome.is_ok(), "scene failed: {name}");
    }
    general::finalize().unwrap();
}

// ---- scenes

fn no_token(slot: SlotId) {
    assert_eq!(sessions::open(slot, RW).unwrap_err(), Code::TokenNotRecognized);
    assert_eq!(sessions::open(slot, 0).unwrap_err(), Code::SessionParallelNotSupported);
    assert_eq!(sessions::open(SlotId(999), RW).unwrap_err(), Code::SlotIdInvalid);
}

fn operation_life(slot: SlotId) {
    let session = user(slot);
    let (public, private) = ec(session, &[], &[]);
    let init = || sign::init(session, Ok(Some(ECDSA_SHA256)), private);
    let ended = || sign::update(session, Ok(b"x")).unwrap_err() == Code::OperationNotInitialized;
    init().unwrap();
    assert_eq!(init().unwrap_err(), Code::OperationActive);
    assert!(matches!(sign::sign(session, Ok(b"text"), Ok(Room::Query)).unwrap(), Reply::Length(64)));
    assert!(matches!(sign::sign(session, Ok(b"text"), Ok(Room::Bytes(63))).unwrap(), Reply::TooSmall(64)));
    let signature = bytes(sign::sign(session, Ok(b"text"), Ok(Room::Bytes(64))));
    assert!(ended(), "a signature ends it");
    let check = |text: &[u8], signature: &[u8]| {
        verify::init(session, Ok(Some(ECDSA_SHA256)), public).unwrap();
        verify::verify(session, Ok(text), Ok(signature))
    };
    check(b"text", &signature).unwrap();
    assert_eq!(check(b"other", &signature).unwrap_err(), Code::SignatureInvalid);
    assert_eq!(check(b"text", &signature[1..]).unwrap_err(), Code::SignatureLenRange);
    init().unwrap();
    assert_eq!(sign::sign(session, Err(crate::call::null()), Ok(Room::Bytes(64))).unwrap_err(), Code::ArgumentsBad);
    assert!(ended(), "a bad argument ends it");
    init().unwrap();
    sign::update(session, Ok(b"te")).unwrap();
    sign::update(session, Ok(b"xt")).unwrap();
    assert!(matches!(sign::finish(session, Ok(Room::Query)).unwrap(), Reply::Length(64)));
    check(b"text", &bytes(sign::finish(session, Ok(Room::Bytes(100))))).unwrap();
    init().unwrap();
    sign::update(session, Ok(b"te")).unwrap();
    assert_eq!(sign::sign(session, Ok(b"xt"), Ok(Room::Bytes(64))).unwrap_err(), Code::OperationActive);
    assert!(ended(), "C_Sign is no end of a multi-part operation, and none begins again by it");
    init().unwrap();
    sign::init(session, Ok(None), private).unwrap();
    assert!(ended(), "a null mechanism cancels");
    init().unwrap();
    sessions::cancel(session, cryptoki_sys::CKF_SIGN).unwrap();
    assert!(ended(), "C_SessionCancel cancels");
    assert_eq!(sign::init(session, Ok(Some(ECDSA_SHA256)), public).unwrap_err(), Code::KeyTypeInconsistent);
    assert_eq!(sign::init(session, Ok(Some(PAD)), private).unwrap_err(), Code::MechanismInvalid);
    assert_eq!(sign::init(session, Ok(Some(ECDSA_SHA256)), ObjectHandle(998)).unwrap_err(), Code::KeyHandleInvalid);
    let (_, silent) = ec(session, &[], &[flag(A::SIGN, false), flag(A::DERIVE, true)]);
    assert_eq!(sign::init(session, Ok(Some(ECDSA_SHA256)), silent).unwrap_err(), Code::KeyFunctionNotPermitted);
}

fn always_authenticate(slot: SlotId) {
    let session = user(slot);
    let (_, private) = ec(session, &[], &[flag(A::ALWAYS_AUTHENTICATE, true), flag(A::TOKEN, true)]);
    let again = || login::login(session, cryptoki_sys::CKU_CONTEXT_SPECIFIC, pin(USER));
    assert_eq!(again().unwrap_err(), Code::OperationNotInitialized);
    let sign = || sign::sign(session, Ok(b"text"), Ok(Room::Bytes(64)));
    sign::init(session, Ok(Some(ECDSA_SHA256)), private).unwrap();
    assert_eq!(sign().unwrap_err(), Code::UserNotLoggedIn);
    assert_eq!(sign().unwrap_err(), Code::OperationNotInitialized);
    for _ in 0..2 {
        sign::init(session, Ok(Some(ECDSA_SHA256)), private).unwrap();
        let wrong = login::login(session, cryptoki_sys::CKU_CONTEXT_SPECIFIC, pin("wrong"));
        assert_eq!(wrong.unwrap_err(), Code::PinIncorrect);
        again().unwrap();
        assert_eq!(bytes(sign()).len(), 64);
    }
}

fn always_authenticate_in_one_call(slot: SlotId) {
    let session = user(slot);
    let (peer, _) = ec(session, &[], &[]);
    let asks = [flag(A::ALWAYS_AUTHENTICATE, true), flag(A::DERIVE, true), flag(A::TOKEN, true)];
    let (_, private) = ec(session, &[], &asks);
    let (_, another) = ec(session, &[], &asks);
    let params = Params::Ecdh1 {
        kdf: cryptoki_sys::CKD_NULL,
        shared: vec![],
        public: value(session, peer, A::EC_POINT).unwrap(),
    };
    let mechanism = Mechanism { kind: MechanismType::ECDH1_DERIVE, params };
    let derive = |base| key::derive(session, Ok(mechanism.clone()), base, Ok(vec![number(A::VALUE_LEN, 32)]));
    let again = || login::login(session, cryptoki_sys::CKU_CONTEXT_SPECIFIC, pin(USER));
    assert_eq!(again().unwrap_err(), Code::OperationNotInitialized);
    for _ in 0..2 {
        assert_eq!(derive(private).unwrap_err(), Code::UserNotLoggedIn);
        assert_eq!(derive(private).unwrap_err(), Code::UserNotLoggedIn);
        again().unwrap();
        derive(private).unwrap();
    }
    assert_eq!(derive(private).unwrap_err(), Code::UserNotLoggedIn, "one call for one login");
    again().unwrap();
    assert_eq!(derive(another).unwrap_err(), Code::UserNotLoggedIn, "with the same key");
    assert_eq!(derive(private).unwrap_err(), Code::UserNotLoggedIn, "and the other began anew");
}

fn derive_template(slot: SlotId) {
    let session = user(slot);
    let inner = vec![flag(A::EXTRACTABLE, false), raw(A::LABEL, b"derived")];
    let inner = Attribute { kind: A::DERIVE_TEMPLATE, value: AttributeValue::Template(inner) };
    let open = [flag(A::DERIVE, true), flag(A::EXTRACTABLE, true), flag(A::SENSITIVE, false), inner];
    let base = secret(session, KeyType::GENERIC_SECRET, &[5; 16], &open);
    let mechanism =
        Mechanism { kind: MechanismType::CONCATENATE_BASE_AND_DATA, params: Params::StringData(vec![6; 16]) };
    let derive = |more: &[Attribute]| key::derive(session, Ok(mechanism.clone()), base, Ok(more.to_vec()));
    let derived = derive(&[flag(A::SENSITIVE, false)]).unwrap();
    assert_eq!(value(session, derived, A::LABEL).unwrap(), b"derived");
    assert_eq!(value(session, derived, A::EXTRACTABLE).unwrap(), [0]);
    assert_eq!(derive(&[flag(A::EXTRACTABLE, true)]).unwrap_err(), Code::TemplateInconsistent);
    assert_eq!(derive(&[raw(A::LABEL, b"other")]).unwrap_err(), Code::TemplateInconsistent);
    derive(&[raw(A::LABEL, b"derived")]).unwrap();
}

fn handles_after_logout(slot: SlotId) {
    let session = user(slot);
    let (public, private) = ec(session, &[flag(A::TOKEN, true)], &[flag(A::TOKEN, true)]);
    sign::init(session, Ok(Some(ECDSA_SHA256)), private).unwrap();
    login::logout(session).unwrap();
    assert_eq!(sign::update(session, Ok(b"x")).unwrap_err(), Code::OperationNotInitialized);
    assert_eq!(object::size(session, private).unwrap_err(), Code::ObjectHandleInvalid);
    object::size(session, public).unwrap();
    assert_eq!(find(session, &[]), [public], "the public key alone is seen, under its old handle");
    login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    assert_eq!(object::size(session, private).unwrap_err(), Code::ObjectHandleInvalid, "for good");
    object::size(session, public).unwrap();
    let found = find(session, &[number(A::CLASS, ObjectClass::PRIVATE_KEY.0)]);
    assert_eq!(find(session, &[]), [public, found[0]]);
    assert_ne!(found[0], private);
    sign::init(session, Ok(Some(ECDSA_SHA256)), found[0]).unwrap();
    // The last session ends the login (5.6.6).
    sessions::close(session).unwrap();
    let session = sessions::open(slot, RW).unwrap();
    assert_eq!(sessions::info(session).unwrap().state, cryptoki_sys::CKS_RW_PUBLIC_SESSION);
}

fn session_objects(slot: SlotId) {
    let (one, two) = (user(slot), sessions::open(slot, RW).unwrap());
    let key = aes(one, 16, &[]);
    let data = object::create(two, Ok(vec![number(A::CLASS, ObjectClass::DATA.0)])).unwrap();
    assert_eq!(find(two, &[]), [key, data], "both sessions see both");
    assert!(key.0 & 1 == 1 && data.0 & 1 == 1 && key != data);
    sessions::close(one).unwrap();
    assert_eq!(find(two, &[]), [data]);
    assert_eq!(object::size(two, key).unwrap_err(), Code::ObjectHandleInvalid);
    let key = aes(two, 16, &[]);
    login::logout(two).unwrap();
    assert_eq!(find(two, &[]), [data], "a private session object goes with the login");
    assert_eq!(object::size(two, key).unwrap_err(), Code::ObjectHandleInvalid);
    let refused = key::generate(two, Ok(AES_KEY_GEN), Ok(vec![number(A::VALUE_LEN, 16)]));
    assert_eq!(refused.unwrap_err(), Code::UserNotLoggedIn);
    assert_eq!(find(two, &[]), [data], "nothing half-made");
}

fn unfit_answers(slot: SlotId) {
    let session = user(slot);
    let key = aes(session, 32, &[]);
    let text = [7; 21];
    encrypt::init(session, Ok(Some(PAD)), key).unwrap();
    assert!(matches!(encrypt::encrypt(session, Ok(&text), Ok(Room::Bytes(31))).unwrap().reply, Reply::TooSmall(32)));
    let cipher = bytes(encrypt::encrypt(session, Ok(&text), Ok(Room::Bytes(32))));
    let init = || decrypt::init(session, Ok(Some(PAD)), key);
    let decrypt = |room| decrypt::decrypt(session, Ok(&cipher), Ok(room));
    init().unwrap();
    assert!(matches!(decrypt(Room::Query).unwrap(), Reply::Length(32)));
    assert_eq!(bytes(decrypt(Room::Bytes(21))), text, "a buffer as long as the answer is long enough (5.2)");
    init().unwrap();
    assert!(matches!(decrypt(Room::Bytes(20)).unwrap(), Reply::TooSmall(21)));
    assert_eq!(init().unwrap_err(), Code::OperationActive);
    assert!(matches!(decrypt(Room::Query).unwrap(), Reply::Length(21)));
    assert_eq!(bytes(decrypt(Room::Bytes(21))), text);
    assert_eq!(decrypt(Room::Bytes(21)).unwrap_err(), Code::OperationNotInitialized);
    init().unwrap();
    assert!(matches!(decrypt(Room::Bytes(0)).unwrap(), Reply::TooSmall(21)));
    let other = decrypt::decrypt(session, Ok(&cipher[..16]), Ok(Room::Bytes(64)));
    assert_eq!(other.unwrap_err(), Code::ArgumentsBad);
    init().unwrap();
    assert!(matches!(decrypt(Room::Bytes(0)).unwrap(), Reply::TooSmall(21)));
    let update = decrypt::update(session, Ok(&cipher), Ok(Room::Bytes(64)));
    assert_eq!(update.unwrap_err(), Code::OperationNotInitialized);
    init().unwrap();
    let mut pieces = bytes(decrypt::update(session, Ok(&cipher[..20]), Ok(Room::Bytes(64))));
    pieces.extend(bytes(decrypt::update(session, Ok(&cipher[20..]), Ok(Room::Bytes(64)))));
    assert!(matches!(decrypt::finish(session, Ok(Room::Bytes(1))).unwrap(), Reply::TooSmall(5)));
    pieces.extend(bytes(decrypt::finish(session, Ok(Room::Bytes(5)))));
    assert_eq!(pieces, text);
}

fn sealing(slot: SlotId) {
    let session = user(slot);
    let shown = [flag(A::SENSITIVE, false), flag(A::EXTRACTABLE, true)];
    let clear = secret(session, KeyType::AES, &[5; 16], &shown);
    assert_eq!(value(session, clear, A::VALUE).unwrap(), [5; 16]);
    let kept = object::copy(session, clear, Ok(vec![flag(A::TOKEN, true)])).unwrap();
    assert_eq!(value(session, kept, A::VALUE).unwrap(), [5; 16], "opened from its seal");
    assert_ne!(value(session, kept, A::UNIQUE_ID).unwrap(), value(session, clear, A::UNIQUE_ID).unwrap());
    let copy = object::copy(session, kept, Ok(vec![flag(A::TOKEN, false)])).unwrap();
    assert_eq!(value(session, copy, A::VALUE).unwrap(), [5; 16]);
    for handle in [clear, kept] {
        object::set_attributes(session, handle, Ok(vec![flag(A::SENSITIVE, true)])).unwrap();
        assert_eq!(value(session, handle, A::VALUE).unwrap_err(), Code::AttributeSensitive);
        encrypt::init(session, Ok(Some(PAD)), handle).unwrap();
        assert_eq!(bytes(encrypt::encrypt(session, Ok(&[0; 4]), Ok(Room::Bytes(16)))).len(), 16);
        let back = object::set_attributes(session, handle, Ok(vec![flag(A::SENSITIVE, false)]));
        assert_eq!(back.unwrap_err(), Code::AttributeReadOnly);
    }
    assert_eq!(value(session, kept, A::ALWAYS_SENSITIVE).unwrap(), [0]);
    assert_eq!(value(session, kept, A::AZIHSM_RESIDENCY).unwrap(), 2u64.to_le_bytes());
    assert_eq!(value(session, kept, A::KEY_GEN_MECHANISM).unwrap(), u64::MAX.to_le_bytes());
}

fn check_values(slot: SlotId) {
    let session = user(slot);
    let inside = secret(session, KeyType::AES, &[0; 32], &[]);
    assert_eq!(value(session, inside, A::AZIHSM_RESIDENCY).unwrap(), 1u64.to_le_bytes());
    let sealed = secret(session, KeyType::AES, &[0; 32], &[flag(A::EXTRACTABLE, true)]);
    for key in [inside, sealed] {
        assert_eq!(value(session, key, A::CHECK_VALUE).unwrap(), [0xdc, 0x95, 0xc0]);
    }
    let template = |check: &[u8]| {
        let mut template = secret_template(KeyType::AES, &[0; 32]);
        template.push(raw(A::CHECK_VALUE, check));
        template
    };
    object::create(session, Ok(template(&[0xdc, 0x95, 0xc0]))).unwrap();
    assert_eq!(object::create(session, Ok(template(&[1, 2, 3]))).unwrap_err(), Code::AttributeValueInvalid);
    let none = object::create(session, Ok(template(&[]))).unwrap();
    assert_eq!(value(session, none, A::CHECK_VALUE).unwrap(), b"");
}

fn rsa_out_and_in(slot: SlotId) {
    let session = user(slot);
    let public = vec![number(A::MODULUS_BITS, 2048), raw(A::ID, &[9])];
    let private = vec![flag(A::SENSITIVE, false), flag(A::EXTRACTABLE, true)];
    let (public, private) = key::generate_pair(session, Ok(RSA_KEY_PAIR_GEN), Ok(public), Ok(private)).unwrap();
    assert_eq!(value(session, private, A::ID).unwrap(), [9], "both halves have one id");
    let mut template = vec![
        number(A::CLASS, ObjectClass::PRIVATE_KEY.0),
        number(A::KEY_TYPE, KeyType::RSA.0),
        raw(A::PUBLIC_KEY_INFO, &value(session, public, A::PUBLIC_KEY_INFO).unwrap()),
    ];
    for kind in [
        A::MODULUS,
        A::PUBLIC_EXPONENT,
        A::PRIVATE_EXPONENT,
        A::PRIME_1,
        A::PRIME_2,
        A::EXPONENT_1,
        A::EXPONENT_2,
        A::COEFFICIENT,
    ] {
        template.push(raw(kind, &value(session, private, kind).unwrap()));
    }
    let inside = object::create(session, Ok(template.clone())).unwrap();
    assert_eq!(value(session, inside, A::PRIME_1).unwrap_err(), Code::AttributeSensitive);
    assert_eq!(value(session, inside, A::AZIHSM_ORIGIN).unwrap(), 3u64.to_le_bytes());
    sign::init(session, Ok(Some(SHA256_RSA)), inside).unwrap();
    let signature = bytes(sign::sign(session, Ok(b"text"), Ok(Room::Bytes(256))));
    verify::init(session, Ok(Some(SHA256_RSA)), public).unwrap();
    verify::verify(session, Ok(b"text"), Ok(&signature)).unwrap();
    template[2] = raw(A::PUBLIC_KEY_INFO, b"another");
    assert_eq!(object::create(session, Ok(template)).unwrap_err(), Code::AttributeValueInvalid);
}

fn searches(slot: SlotId) {
    let session = user(slot);
    let (public, private) = ec(session, &[raw(A::ID, &[1]), flag(A::TOKEN, true)], &[flag(A::TOKEN, true)]);
    let key = aes(session, 16, &[raw(A::ID, &[1]), raw(A::LABEL, b"a")]);
    let kept = aes(session, 16, &[raw(A::ID, &[2]), raw(A::LABEL, b"a"), flag(A::TOKEN, true)]);
    assert_eq!(find(session, &[]), [public, private, kept, key]);
    assert_eq!(find(session, &[raw(A::ID, &[1])]), [public, private, key]);
    assert_eq!(find(session, &[raw(A::LABEL, b"a")]), [kept, key]);
    assert_eq!(find(session, &[flag(A::TOKEN, false)]), [key]);
    assert_eq!(find(session, &[flag(A::SIGN, true)]), [private]);
    assert_eq!(find(session, &[flag(A::PRIVATE, false), flag(A::TOKEN, true)]), [public]);
    assert_eq!(find(session, &[raw(A::VALUE, &[0; 16])]), [], "a hidden value matches nothing");
    assert_eq!(find(session, &[number(A::KEY_TYPE, KeyType::EC.0), flag(A::VERIFY, true)]), [public]);
    object::find_init(session, Ok(vec![])).unwrap();
    assert_eq!(object::find_init(session, Ok(vec![])).unwrap_err(), Code::OperationActive);
    assert_eq!(object::find(session, 3).unwrap().len(), 3);
    assert_eq!(object::find(session, 100).unwrap().iter().filter(|found| !is_builtin(**found)).count(), 1);
    assert_eq!(object::find(session, 3).unwrap().len(), 0);
    object::find_final(session).unwrap();
    assert_eq!(object::find(session, 3).unwrap_err(), Code::OperationNotInitialized);
    object::destroy(session, kept).unwrap();
    assert_eq!(object::destroy(session, kept).unwrap_err(), Code::ObjectHandleInvalid);
    assert_eq!(find(session, &[raw(A::LABEL, b"a")]), [key]);
}

fn builtin_objects(slot: SlotId) {
    let session = user(slot);
    let label = raw(A::LABEL, object::builtin::UNWRAPPING_KEY_LABEL.as_bytes());
    let of = |class: ObjectClass| find_all(session, &[label.clone(), number(A::CLASS, class.0)]);
    let (public, private) = (of(ObjectClass::PUBLIC_KEY), of(ObjectClass::PRIVATE_KEY));
    let (&[public], &[private]) = (&public[..], &private[..]) else { panic!("{public:?} {private:?}") };
    let value = |key, kind| match object::attributes(session, key, Ok(vec![(kind, Room::Bytes(1000).into())])) {
        Ok((replies, None)) => match &replies[..] {
            [AttributeReply::Value(value)] => value.to_vec(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let modulus = value(public, A::MODULUS);
    assert_eq!((modulus.len(), value(private, A::MODULUS)), (256, modulus.clone()));
    assert_ne!(value(public, A::UNIQUE_ID), value(private, A::UNIQUE_ID));
    // A search for what the device alone knows finds it too, and one that contradicts what it is does not.
    assert_eq!(find_all(session, &[raw(A::MODULUS, &modulus), flag(A::UNWRAP, true)]), [private]);
    assert_eq!(find_all(session, &[label.clone(), flag(A::DECRYPT, true)]), []);
    assert_eq!(find_all(session, &[label.clone(), flag(A::TOKEN, false)]), []);
    for key in [public, private] {
        let template = || Ok(vec![raw(A::ID, &[1])]);
        assert_eq!(object::set_attributes(session, key, template()).unwrap_err(), Code::ActionProhibited);
        assert_eq!(object::copy(session, key, template()).unwrap_err(), Code::ActionProhibited);
        assert_eq!(object::destroy(session, key).unwrap_err(), Code::ActionProhibited);
        object::size(session, key).unwrap();
    }
    let pad = Mechanism { kind: MechanismType::RSA_PKCS, params: Params::None };
    let init = decrypt::init(session, Ok(Some(pad.clone())), private);
    assert_eq!(init.unwrap_err(), Code::KeyFunctionNotPermitted);
    assert_eq!(encrypt::init(session, Ok(Some(pad)), public).unwrap_err(), Code::KeyFunctionNotPermitted);
    login::logout(session).unwrap();
    assert_eq!(find_all(session, std::slice::from_ref(&label)), []);
    assert_eq!(object::size(session, private).unwrap_err(), Code::ObjectHandleInvalid);
    login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    assert_eq!(object::size(session, private).unwrap_err(), Code::ObjectHandleInvalid, "an old handle");
    assert_eq!(find_all(session, &[label]).len(), 2);
}

fn read_only(slot: SlotId) {
    let writing = user(slot);
    let kept = aes(writing, 16, &[flag(A::TOKEN, true)]);
    let reading = sessions::open(slot, cryptoki_sys::CKF_SERIAL_SESSION).unwrap();
    assert_eq!(sessions::info(reading).unwrap().state, cryptoki_sys::CKS_RO_USER_FUNCTIONS);
    let label = || Ok(vec![raw(A::LABEL, b"x")]);
    assert_eq!(object::destroy(reading, kept).unwrap_err(), Code::SessionReadOnly);
    assert_eq!(object::set_attributes(reading, kept, label()).unwrap_err(), Code::SessionReadOnly);
    assert_eq!(object::copy(reading, kept, label()).unwrap_err(), Code::SessionReadOnly);
    let brief = object::copy(reading, kept, Ok(vec![flag(A::TOKEN, false)])).unwrap();
    object::set_attributes(reading, brief, label()).unwrap();
    object::destroy(reading, brief).unwrap();
    assert_eq!(value(writing, kept, A::LABEL).unwrap(), b"");
}

fn threads(slot: SlotId) {
    let session = user(slot);
    let (public, private) = ec(session, &[flag(A::TOKEN, true)], &[flag(A::TOKEN, true)]);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            scope.spawn(move || {
                for round in 0..8u8 {
                    let session = sessions::open(slot, RW).unwrap();
                    sign::init(session, Ok(Some(ECDSA_SHA256)), private).unwrap();
                    let signature = bytes(sign::sign(session, Ok(&[thread, round]), Ok(Room::Bytes(64))));
                    verify::init(session, Ok(Some(ECDSA_SHA256)), public).unwrap();
                    verify::verify(session, Ok(&[thread, round]), Ok(&signature)).unwrap();
                    // Changes the store under the others' feet.
                    let data = vec![number(A::CLASS, ObjectClass::DATA.0), flag(A::TOKEN, true)];
                    let data = object::create(session, Ok(data)).unwrap();
                    object::destroy(session, data).unwrap();
                    sessions::close(session).unwrap();
                }
            });
        }
    });
    assert_eq!(find(session, &[]).len(), 2);
    assert_eq!(slot::token_info(slot).unwrap().sessions, 1);
}

/// Somebody with the disk, but without a PIN, says of a key that it may be shown.
fn seen_before_login(slot: SlotId) {
    let session = user(slot);
    let more = [flag(A::PRIVATE, false), flag(A::TOKEN, true), flag(A::EXTRACTABLE, true)];
    let key = secret(session, KeyType::AES, &[5; 16], &more);
    assert_eq!(value(session, key, A::VALUE).unwrap_err(), Code::AttributeSensitive);
    login::logout(session).unwrap();
    flip(slot, A::SENSITIVE);
    assert_eq!(value(session, key, A::SENSITIVE).unwrap(), [0], "nobody can tell without a login");
    login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    assert_eq!(value(session, key, A::VALUE).unwrap_err(), Code::DeviceError);
}

fn tampered(slot: SlotId) {
    let session = user(slot);
    let kept = |id| {
        let template = [number(A::CLASS, ObjectClass::DATA.0), flag(A::TOKEN, true), raw(A::OBJECT_ID, &[id])];
        object::create(session, Ok(template.to_vec())).unwrap()
    };
    let broken = kept(1);
    flip(slot, A::MODIFIABLE);
    let whole = kept(2);
    assert_eq!(object::size(session, broken).unwrap_err(), Code::DeviceError);
    assert_eq!(find(session, &[flag(A::DESTROYABLE, true)]), [whole], "where records are compared");
    login::logout(session).unwrap();
    login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    assert_eq!(find(session, &[]), [whole], "where they are opened after a logout");
}

fn out_of_reach(slot: SlotId) {
    let session = user(slot);
    let more = [flag(A::PRIVATE, false), flag(A::TOKEN, true), flag(A::EXTRACTABLE, true), flag(A::SENSITIVE, false)];
    let key = secret(session, KeyType::AES, &[5; 16], &more);
    login::logout(session).unwrap();
    for (kind, bytes) in [(A::VALUE, &[5; 16][..]), (A::CHECK_VALUE, &[0; 3])] {
        assert_eq!(value(session, key, kind).unwrap_err(), Code::AttributeSensitive);
        assert_eq!(find(session, &[raw(kind, bytes)]), []);
    }
    login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    assert_eq!(value(session, key, A::VALUE).unwrap(), [5; 16]);
    assert_eq!(find(session, &[raw(A::VALUE, &[5; 16])]), [key]);
}

/// One says that a key is not to be extracted, another one names it.
fn changes_at_once(slot: SlotId) {
    let session = user(slot);
    for round in 0..40 {
        let key =
            secret(session, KeyType::AES, &[5; 16], &[flag(A::TOKEN, round % 2 == 0), flag(A::EXTRACTABLE, true)]);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for name in 0..20 {
                    object::set_attributes(session, key, Ok(vec![raw(A::LABEL, &[name])])).unwrap();
                }
            });
            object::set_attributes(session, key, Ok(vec![flag(A::EXTRACTABLE, false)])).unwrap();
        });
        assert_eq!(value(session, key, A::EXTRACTABLE).unwrap(), [0], "round {round}: what was set stays set");
        assert_eq!(value(session, key, A::LABEL).unwrap(), [19]);
    }
}

/// More often than a chip has sessions: a use that outlived its login would keep one.
fn logout_ends_uses(slot: SlotId) {
    let session = user(slot);
    let key = aes(session, 16, &[flag(A::PRIVATE, false), flag(A::TOKEN, true)]);
    let (public, _) = ec(session, &[flag(A::TOKEN, true)], &[]);
    let others: Vec<_> = (0..9).map(|_| sessions::open(slot, RW).unwrap()).collect();
    for other in others {
        encrypt::init(other, Ok(Some(PAD)), key).unwrap();
        verify::init(other, Ok(Some(ECDSA_SHA256)), public).unwrap();
        login::logout(session).unwrap();
        let part = encrypt::update(other, Ok(&[0; 32]), Ok(Room::Bytes(48)));
        assert_eq!(part.unwrap_err(), Code::OperationNotInitialized);
        verify::update(other, Ok(b"a public key needs no login")).unwrap();
        login::login(session, cryptoki_sys::CKU_USER, pin(USER)).unwrap();
    }
}

fn login_meanwhile(slot: SlotId) {
    sessions::close(user(slot)).unwrap();
    for round in 0..3000 {
        let last = sessions::open(slot, RW).unwrap();
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            // Whether it comes before the other or after it, either way nobody is logged in at the end.
            scope.spawn(|| {
                start.wait();
                drop(login::login(last, cryptoki_sys::CKU_USER, pin(USER)));
            });
            start.wait();
            (0..round % 50).for_each(|_| std::hint::spin_loop());
            sessions::close(last).unwrap();
        });
        let next = sessions::open(slot, RW).unwrap();
        assert_eq!(sessions::info(next).unwrap().state, cryptoki_sys::CKS_RW_PUBLIC_SESSION, "round {round}");
        sessions::close(next).unwrap();
    }
}

fn closed_meanwhile(slot: SlotId) {
    let session = user(slot);
    for _ in 0..300 {
        let brief = sessions::open(slot, RW).unwrap();
        std::thread::scope(|scope| {
            scope
                .spawn(move || while object::create(brief, Ok(vec![number(A::CLASS, ObjectClass::DATA.0)])).is_ok() {});
            std::thread::yield_now();
            sessions::close(brief).unwrap();
        });
        assert_eq!(find(session, &[]), []);
    }
}
