//! Objects that are found, changed and gone; what a key says of itself.

use crate::{HSM, IMPORTED, LIBRARY, MADE, MESSAGE, SEALED, facts, generate_aes, import, lives};
use conformance::isolated;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, CertificateType, KeyType, ObjectClass};
use cryptoki::session::SessionState;

#[test]
fn a_session_object_dies_with_its_session_and_a_token_object_does_not() {
    isolated("objects::a_session_object_dies_with_its_session_and_a_token_object_does_not", |token| {
        let (first, second) = (token.user(), token.library.open_rw_session(token.slot).expect("a session"));
        generate_aes(&first, 16, &[Attribute::Token(false), Attribute::Label("brief".into())]);
        generate_aes(&first, 16, &[Attribute::Token(true), Attribute::Label("lasting".into())]);
        let found = |label: &str| second.find_objects(&[Attribute::Label(label.into())]).expect("a search").len();
        assert_eq!([found("brief"), found("lasting")], [1, 1]);
        first.close().expect("it closes");
        assert_eq!([found("brief"), found("lasting")], [0, 1]);
        second.close().expect("it closes");

        // With the last session the login is gone, and with it the private objects.
        let third = token.library.open_ro_session(token.slot).expect("a session");
        assert_eq!(third.get_session_info().expect("its state").session_state(), SessionState::RoPublic);
        assert_eq!(third.find_objects(&MADE).expect("a search"), []);
        let fourth = token.user();
        assert_eq!(third.get_session_info().expect("its state").session_state(), SessionState::RoUser);
        assert_eq!(third.find_objects(&[Attribute::Label("lasting".into())]).expect("a search").len(), 1);
        fourth.logout().expect("all sessions are logged out");
        assert_eq!(third.find_objects(&MADE).expect("a search"), []);
    });
}

#[test]
fn every_key_says_truly_where_it_lives_and_what_it_was() {
    isolated("objects::every_key_says_truly_where_it_lives_and_what_it_was", |token| {
        let session = token.user();
        let open = generate_aes(&session, 32, &[Attribute::Extractable(true), Attribute::Sensitive(false)]);
        assert_eq!(facts(&session, open), [true, false, false, true]);
        lives(token, &session, open, (SEALED, LIBRARY));
        let values = session.get_attributes(open, &[AttributeType::Value]).expect("its value");
        assert!(matches!(&values[..], [Attribute::Value(value)] if value.len() == 32), "it may be read");

        // Once sensitive and unextractable, for good; and it remembers that it was not always.
        session
            .update_attributes(open, &[Attribute::Sensitive(true), Attribute::Extractable(false)])
            .expect("stricter");
        assert_eq!(facts(&session, open), [true, false, false, true]);
        let info = session.get_attribute_info(open, &[AttributeType::Value]).expect("an answer");
        assert!(matches!(info[..], [AttributeInfo::Sensitive]), "{info:?}");

        let imported =
            import(&session, KeyType::AES, vec![1; 32], &[Attribute::Encrypt(true), Attribute::Sensitive(true)]);
        assert_eq!(facts(&session, imported), [false, false, false, true]);
        lives(token, &session, imported, (HSM, IMPORTED));
    });
}

#[test]
fn certificates_and_data_objects() {
    isolated("objects::certificates_and_data_objects", |token| {
        let session = token.user();
        let certificate = session
            .create_object(&[
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(CertificateType::X_509),
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Subject(vec![0x30, 0x00]),
                Attribute::Value(vec![0x30, 0x00]),
                Attribute::Id(vec![5]),
            ])
            .expect("a certificate");
        let data = session
            .create_object(&[
                Attribute::Class(ObjectClass::DATA),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Label("note".into()),
                Attribute::Value(MESSAGE.into()),
            ])
            .expect("a note");
        let values = session.get_attributes(data, &[AttributeType::Value]).expect("its text");
        assert_eq!(values, [Attribute::Value(MESSAGE.into())]);
        session.logout().expect("a logout");
        assert_eq!(session.find_objects(&MADE).expect("a search"), [certificate], "the private note is out of sight");
        let values = session.get_attributes(certificate, &[AttributeType::Id]).expect("its id");
        assert_eq!(values, [Attribute::Id(vec![5])]);
    });
}

#[test]
fn a_search_finds_all_of_many() {
    isolated("objects::a_search_finds_all_of_many", |token| {
        let session = token.user();
        for number in 0..100u8 {
            let label = Attribute::Label(if number % 2 == 0 { "even" } else { "odd" }.into());
            let data = [Attribute::Class(ObjectClass::DATA), Attribute::Value(vec![number]), label];
            session.create_object(&data).expect("an object");
        }
        assert_eq!(session.find_objects(&[Attribute::Class(ObjectClass::DATA)]).expect("a search").len(), 100);
        let even = [Attribute::Label("even".into()), Attribute::Class(ObjectClass::DATA)];
        assert_eq!(session.find_objects(&even).expect("a search").len(), 50);
        for size in [1, 7, 100, 1000] {
            let size = std::num::NonZeroUsize::new(size).expect("not zero");
            let found = session.iter_objects_with_cache_size(&even, size).expect("a search");
            let found = found.collect::<Result<Vec<_>, _>>().expect("objects");
            assert_eq!(found.len(), 50, "{size} at a time");
        }
        assert_eq!(session.find_objects(&[Attribute::Value(vec![42])]).expect("a search").len(), 1);
        assert_eq!(session.find_objects(&[Attribute::Label("neither".into())]).expect("a search"), []);
    });
}
