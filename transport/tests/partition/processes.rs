//! Two processes on one token: two emulators on one folder are two lives of one chip (design 3).

use transport::channel::Direction;
use transport::emulator::Kind;
use transport::partition::{Curve, FacetKind, HsmKey, ImportValue};

use crate::oracle;
use crate::rig::{Rig, both};
use crate::vectors::rsa_key;

#[test]
fn a_key_made_by_one_process_is_used_by_the_other() {
    both(|one| {
        let first = one.partition();
        let (ec, point) = first.generate_ec(Curve::P521, FacetKind::EcSign).unwrap();
        let rsa = first.import(&ImportValue::Rsa(&rsa_key(2048).0), &[FacetKind::RsaDecrypt]).unwrap();
        let aes = first.generate_secret(16, &[FacetKind::AesCbc]).unwrap();

        let other = one.another_life();
        let second = other.partition();
        let carried = |key: &HsmKey| HsmKey::decode(&key.encode()).unwrap();
        let signature = second.ecc_sign(&carried(&ec), &[8; 64]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P521, &point, &[8; 64], &signature));
        let power = |partition: &transport::partition::Partition, key: &HsmKey| {
            partition.rsa_mod_exp(key, FacetKind::RsaDecrypt, &[0x12; 256]).unwrap()
        };
        assert_eq!(power(&first, &rsa), power(&second, &carried(&rsa)));
        let (mut a, mut b) = ([1; 32], [1; 32]);
        first.aes_cbc(&aes, Direction::Encrypt, &mut [2; 16], &mut a).unwrap();
        second.aes_cbc(&carried(&aes), Direction::Encrypt, &mut [2; 16], &mut b).unwrap();
        assert_eq!(a, b);

        let (back, point) = second.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        let signature = first.ecc_sign(&carried(&back), &[8; 32]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[8; 32], &signature));
    });
}

#[test]
fn host_duty_03_processes_that_start_at_once_agree_on_the_token_s_keys() {
    let one = Rig::new(Kind::Physical);
    let lives: Vec<_> = (0..4).map(|_| one.another_life()).collect();
    let sealed: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            lives.iter().map(|life| scope.spawn(|| life.partition().seal(b"c", b"value").unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let partition = one.partition();
    for sealed in sealed {
        assert_eq!(*partition.unseal(b"c", &sealed).unwrap(), b"value");
    }
}

#[test]
fn two_handles_of_one_chip_share_it() {
    both(|rig| {
        let (first, second) = (rig.partition(), rig.partition());
        let (key, point) = first.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        let stored = HsmKey::decode(&key.encode()).unwrap();
        let signature = second.ecc_sign(&stored, &[8; 32]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[8; 32], &signature));
        first.disconnect();
        second.ecc_sign(&stored, &[8; 32]).unwrap();
    });
}
