//! AES, HMAC and derived secrets.

use transport::Error;
use transport::channel::Direction;
use transport::emulator::{Kind, Options};
use transport::partition::{FacetKind, Hash, HsmKey, ImportValue, Partition};

use crate::oracle;
use crate::rig::{Rig, both};
use crate::vectors::{bytes, list, load};

#[test]
fn recorded_cbc_messages_in_both_directions() {
    let file = load("kat_aes.json");
    both(|rig| {
        let partition = rig.partition();
        for case in list(&file["cbc"]) {
            let key = partition.import(&ImportValue::Aes(&bytes(&case["key"])), &[FacetKind::AesCbc]).unwrap();
            let (plain, cipher) = (bytes(&case["plaintext"]), bytes(&case["ciphertext"]));
            let mut iv = bytes(&case["iv"]).try_into().unwrap();
            let mut data = plain.clone();
            partition.aes_cbc(&key, Direction::Encrypt, &mut iv, &mut data).unwrap();
            assert_eq!((&data, iv.to_vec()), (&cipher, bytes(&case["iv_out_encrypt"])));
            iv = bytes(&case["iv"]).try_into().unwrap();
            partition.aes_cbc(&key, Direction::Decrypt, &mut iv, &mut data).unwrap();
            assert_eq!((&data, iv.to_vec()), (&plain, bytes(&case["iv_out_decrypt"])));
        }
    });
}

#[test]
fn host_duty_16_long_cbc_messages_chain_over_the_commands() {
    both(|rig| {
        let partition = rig.partition();
        let value = [0x42; 24];
        let key = partition.import(&ImportValue::Aes(&value), &[FacetKind::AesCbc]).unwrap();
        for len in [1024, 1040, 4096, 5008] {
            let plain: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0] ^ 0x1F).collect();
            let (mut iv, mut data) = ([9; 16], plain.clone());
            partition.aes_cbc(&key, Direction::Encrypt, &mut iv, &mut data).unwrap();
            assert_eq!(data, oracle::cbc_encrypt(&value, &[9; 16], &plain));
            assert_eq!(iv, data[data.len() - 16..]);
            iv = [9; 16];
            partition.aes_cbc(&key, Direction::Decrypt, &mut iv, &mut data).unwrap();
            assert_eq!(data, plain);
        }
        let (mut iv, mut nothing) = ([7; 16], []);
        partition.aes_cbc(&key, Direction::Encrypt, &mut iv, &mut nothing).unwrap();
        assert_eq!(iv, [7; 16]);
        let odd = partition.aes_cbc(&key, Direction::Encrypt, &mut iv, &mut [0; 17]);
        assert!(matches!(odd, Err(Error::InvalidArgument(_))));
    });
}

#[test]
fn recorded_gcm_messages_in_both_directions() {
    let file = load("kat_aes.json");
    both(|rig| {
        let partition = rig.partition();
        let key = |case: &serde_json::Value| {
            partition.import(&ImportValue::Aes(&bytes(&case["key"])), &[FacetKind::AesGcm]).unwrap()
        };
        for case in list(&file["gcm"]) {
            let key = key(case);
            let (plain, cipher, aad) = (bytes(&case["plaintext"]), bytes(&case["ciphertext"]), bytes(&case["aad"]));
            let iv: [u8; 12] = bytes(&case["iv"]).try_into().unwrap();
            let mut data = plain.clone();
            let tag = partition.aes_gcm_encrypt(&key, &iv, &aad, &mut data).unwrap();
            assert_eq!((&data, tag.to_vec()), (&cipher, bytes(&case["tag"])));
            partition.aes_gcm_decrypt(&key, &iv, &aad, &mut data, &tag).unwrap();
            assert_eq!(data, plain);

            let mut wrong = tag;
            wrong[15] ^= 1;
            let mut data = cipher.clone();
            assert_eq!(partition.aes_gcm_decrypt(&key, &iv, &aad, &mut data, &wrong), Err(Error::TagMismatch));
            assert!(data.iter().all(|byte| *byte == 0), "nothing of an unauthenticated message remains");
        }
        let key = key(&file["gcm"][0]);
        assert!(matches!(partition.aes_gcm_encrypt(&key, &[0; 12], b"aad", &mut []), Err(Error::Unsupported(_))));
    });
}

/// `vectors/kat_kdf.json`: ECDH between recorded keys, then HKDF with every hash, input and target.
#[test]
fn recorded_derivations() {
    let file = load("kat_kdf.json");
    both(|rig| {
        let partition = rig.partition();
        let mut secrets = Vec::new();
        for key in list(&file["keys"]) {
            let pkcs8 = bytes(&key["private_key_pkcs8"]);
            let private = partition.import(&ImportValue::Ec(&pkcs8), &[FacetKind::EcDerive]).unwrap();
            let spki = bytes(&key["peer_spki"]);
            let (_, peer) = transport::ddi::key::point_from_spki(&spki).unwrap();
            secrets.push((key["curve"].as_str().unwrap().to_owned(), partition.ecdh(&private, peer).unwrap()));
        }
        for case in list(&file["hkdf"]) {
            let (_, secret) = secrets.iter().find(|(curve, _)| case["curve"] == **curve).unwrap();
            let hash = match case["hash"].as_str().unwrap() {
                "Sha1" => Hash::Sha1,
                "Sha256" => Hash::Sha256,
                "Sha384" => Hash::Sha384,
                "Sha512" => Hash::Sha512,
                other => panic!("{other}"),
            };
            let (len, facet) = match case["target"].as_str().unwrap() {
                "Aes128" => (16, FacetKind::AesCbc),
                "Aes192" => (24, FacetKind::AesCbc),
                "Aes256" => (32, FacetKind::AesCbc),
                "HmacSha256" => (32, FacetKind::HmacSha256),
                "HmacSha384" => (48, FacetKind::HmacSha384),
                "HmacSha512" => (64, FacetKind::HmacSha512),
                other => panic!("{other}"),
            };
            let (salt, info) = (bytes(&case["salt"]), bytes(&case["info"]));
            let key = partition.hkdf(secret, hash, &salt, &info, len, &[facet]).unwrap();
            if facet == FacetKind::AesCbc {
                let (mut data, mut iv) = (bytes(&file["aes_block"]), bytes(&file["aes_iv"]).try_into().unwrap());
                partition.aes_cbc(&key, Direction::Encrypt, &mut iv, &mut data).unwrap();
                assert_eq!(data, bytes(&case["aes_cbc_of_block"]), "{case}");
            } else {
                let tag = partition.hmac(&key, facet, &bytes(&file["message"])).unwrap();
                assert_eq!(tag, bytes(&case["hmac_of_message"]), "{case}");
            }
            partition.forget(&key);
        }
    });
}

#[test]
fn every_facet_of_a_secret_holds_the_same_bytes() {
    both(|rig| {
        let partition = rig.partition();
        let key = partition.generate_secret(32, &[FacetKind::AesCbc, FacetKind::AesGcm]).unwrap();
        assert_same_aes_key(&partition, &key);
        // As another process finds it.
        let next = rig.another_life();
        let stored = HsmKey::decode(&key.encode()).unwrap();
        assert_same_aes_key(&next.partition(), &stored);
        // And nobody else's secret is the same.
        let other = partition.generate_secret(32, &[FacetKind::AesCbc]).unwrap();
        assert_ne!(block(&partition, &key), block(&partition, &other));
    });
}

fn block(partition: &Partition, key: &HsmKey) -> [u8; 16] {
    let mut block = [0x11; 16];
    partition.aes_cbc(key, Direction::Encrypt, &mut [0; 16], &mut block).unwrap();
    block
}

/// The first key stream block of GCM is AES(key, iv || 2): CBC of that block with a zero IV shows it too.
fn assert_same_aes_key(partition: &Partition, key: &HsmKey) {
    let iv = [0x33; 12];
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(&iv);
    counter[15] = 2;
    partition.aes_cbc(key, Direction::Encrypt, &mut [0; 16], &mut counter).unwrap();
    let mut stream = [0; 16];
    partition.aes_gcm_encrypt(key, &iv, &[], &mut stream).unwrap();
    assert_eq!(stream, counter);
}

#[test]
fn hmac_keys_of_every_length_that_the_device_can_make() {
    both(|rig| {
        let partition = rig.partition();
        for (facet, tag_len, lens, wrong) in [
            (FacetKind::HmacSha256, 32, [32, 33, 64], [31, 65]),
            (FacetKind::HmacSha384, 48, [48, 100, 128], [47, 129]),
            (FacetKind::HmacSha512, 64, [64, 65, 128], [63, 129]),
        ] {
            for len in lens {
                let key = partition.generate_secret(len, &[facet]).unwrap();
                let tag = partition.hmac(&key, facet, b"message").unwrap();
                assert_eq!(tag.len(), tag_len);
                assert_eq!(tag, partition.hmac(&key, facet, b"message").unwrap());
                assert_ne!(tag, partition.hmac(&key, facet, b"messagf").unwrap());
            }
            for len in wrong {
                assert!(
                    matches!(partition.generate_secret(len, &[facet]), Err(Error::Unsupported(_))),
                    "{facet:?} {len}"
                );
            }
        }
        let key = partition.generate_secret(32, &[FacetKind::HmacSha256]).unwrap();
        partition.hmac(&key, FacetKind::HmacSha256, &[0; 1024]).unwrap();
        let long = partition.hmac(&key, FacetKind::HmacSha256, &[0; 1025]);
        assert!(matches!(long, Err(Error::Unsupported(_))));
        let other = partition.hmac(&key, FacetKind::HmacSha384, b"");
        assert!(matches!(other, Err(Error::NoFacet(FacetKind::HmacSha384))));
    });
}

#[test]
fn one_hmac_key_under_two_hashes() {
    both(|rig| {
        let partition = rig.partition();
        let key = partition.generate_secret(64, &[FacetKind::HmacSha256, FacetKind::HmacSha512]).unwrap();
        assert_eq!(partition.hmac(&key, FacetKind::HmacSha256, b"m").unwrap().len(), 32);
        assert_eq!(partition.hmac(&key, FacetKind::HmacSha512, b"m").unwrap().len(), 64);
    });
}

#[test]
fn secrets_that_the_device_cannot_make_are_refused_with_the_reason() {
    both(|rig| {
        let partition = rig.partition();
        for (len, facet) in [
            (15, FacetKind::AesCbc),
            (16, FacetKind::AesGcm),
            (32, FacetKind::Secret),
            (32, FacetKind::RsaSign),
            (300, FacetKind::HmacSha512),
        ] {
            let refused = partition.generate_secret(len, &[facet]);
            assert!(matches!(refused, Err(Error::Unsupported(_))), "{facet:?} {len}: {refused:?}");
        }
        assert!(matches!(partition.generate_secret(32, &[]), Err(Error::InvalidArgument(_))));
    });
}

/// On a device that chooses its own IVs, and on one that takes ours.
#[test]
fn host_duty_17_an_approved_key_answers_the_iv_that_was_used() {
    for (kind, device_iv) in [(Kind::Virtual, false), (Kind::Physical, true)] {
        let rig = Rig::with(Options { kind, device_iv, ..Options::default() });
        let partition = rig.partition();
        let facets = [FacetKind::AesGcmApproved, FacetKind::AesGcm];
        let key = partition.generate_secret(32, &facets).unwrap();
        let imported = partition.import(&ImportValue::Aes(&[7; 32]), &facets[..1]).unwrap();
        for key in [&key, &imported] {
            let (mut one, mut two) = (*b"the same message", *b"the same message");
            let (first, tag) = partition.aes_gcm_encrypt_approved(key, b"aad", &mut one).unwrap();
            let (second, _) = partition.aes_gcm_encrypt_approved(key, b"aad", &mut two).unwrap();
            assert!(first != second && one != two, "every IV is another one");
            let mut spoiled = one;
            spoiled[0] ^= 1;
            let refused = partition.aes_gcm_decrypt(key, &first, b"aad", &mut spoiled, &tag);
            assert_eq!(refused, Err(Error::TagMismatch));
            partition.aes_gcm_decrypt(key, &first, b"aad", &mut one, &tag).unwrap();
            assert_eq!(&one, b"the same message");
        }
        let caller = partition.aes_gcm_encrypt(&imported, &[1; 12], &[], &mut [0; 16]);
        assert!(matches!(caller, Err(Error::NoFacet(FacetKind::AesGcm))));
        assert!(matches!(partition.aes_gcm_encrypt_approved(&key, &[], &mut []), Err(Error::Unsupported(_))));
    }
}

#[test]
fn sealed_values_open_in_their_context_only() {
    for (kind, device_iv) in [(Kind::Virtual, false), (Kind::Physical, true)] {
        let rig = Rig::with(Options { kind, device_iv, ..Options::default() });
        let partition = rig.partition();
        let long = vec![0xEE; 5000];
        for (context, value) in [(&b"a"[..], &b"value"[..]), (b"", b""), (&long, &long)] {
            let sealed = partition.seal(context, value).unwrap();
            assert_eq!(sealed.len(), value.len() + 29);
            assert_ne!(sealed, partition.seal(context, value).unwrap(), "every IV is another one");
            assert_eq!(*partition.unseal(context, &sealed).unwrap(), value);
            assert_eq!(partition.unseal(b"b", &sealed), Err(Error::TagMismatch));
            for at in [0, 12, sealed.len() - 1] {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                assert_eq!(partition.unseal(context, &altered), Err(Error::TagMismatch));
            }
            let next = rig.another_life();
            assert_eq!(*next.partition().unseal(context, &sealed).unwrap(), value);
        }
        assert!(matches!(partition.unseal(b"", &[0; 28]), Err(Error::BlobRejected(_))));
    }
}
