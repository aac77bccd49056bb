//! Where the masking keys come from: the key hierarchy of semantics 7.5.
//!
//! Every derivation is SP 800-108 in counter mode with HMAC-SHA384:
//! block i = HMAC(K, i (u32 BE, from 1) || label || 0x00 || context || L (u32 BE, bits)).

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::kdf::kbkdf;
use super::options::SVN_WINDOW;

/// An 80-byte masking key: `AES-256 key (32) || HMAC-SHA384 key (48)`.
pub(crate) type Raw80 = Zeroizing<[u8; 80]>;

/// The seeds that all devices of a fleet share.
#[derive(Clone)]
pub(crate) struct Fleet {
    /// What the per-version seeds BKS1 are derived from.
    pub(crate) root: Zeroizing<[u8; 32]>,
    /// BKS2.
    pub(crate) bks2: Zeroizing<[u8; 32]>,
}

impl Fleet {
    /// BKS1 of one security version, for a device whose own version is `current`: the own and the ten versions before
    /// it are listed, others are unknown (semantics 7.5, "SVN rule").
    pub(crate) fn bks1(&self, svn: u64, current: u64) -> Option<Zeroizing<[u8; 32]>> {
        if svn > current || current - svn >= SVN_WINDOW {
            return None;
        }
        let mut out = Zeroizing::new([0; 32]);
        kdf(&*self.root, b"BKS1", &[&svn.to_be_bytes()], &mut *out);
        Some(out)
    }
}

/// BK_PARTITION: what the BMK is masked under. `pota` is the POTA public key as received on the wire.
pub(crate) fn bk_partition(bk3: &[u8; 48], pota: &[u8], bks1: &[u8; 32], bks2: &[u8; 32]) -> Raw80 {
    const LABEL: &[u8] = b"PARTITION_BK";
    let mut label = [0u8; 256];
    let room = label.len() - LABEL.len();
    let pota = &pota[..pota.len().min(room)];
    label[..LABEL.len()].copy_from_slice(LABEL);
    label[LABEL.len()..LABEL.len() + pota.len()].copy_from_slice(pota);
    let mut out = Zeroizing::new([0; 80]);
    kdf(bk3, &label, &[bks1, bks2], &mut *out);
    out
}

/// BK3_SESSION: what all BK_SESSION of this partition come from.
pub(crate) fn bk3_session(bk3: &[u8; 48]) -> Zeroizing<[u8; 48]> {
    let mut out = Zeroizing::new([0; 48]);
    kdf(bk3, b"SESSION_BK3", &[], &mut *out);
    out
}

/// BK_SESSION: what a session's `bmk_session` is masked under.
pub(crate) fn bk_session(bk3_session: &[u8; 48], bks1: &[u8; 32], bks2: &[u8; 32], seed: &[u8; 48]) -> Raw80 {
    let mut out = Zeroizing::new([0; 80]);
    kdf(bk3_session, b"SESSION_BK", &[bks1, bks2, seed], &mut *out);
    out
}

/// A new BK_BOOT from fresh randomness (48 bytes).
pub(crate) fn bk_boot(random: &[u8; 48]) -> Raw80 {
    let mut out = Zeroizing::new([0; 80]);
    kdf(random, b"BK_BOOT_KEY_DEFAULT", &[], &mut *out);
    out
}

/// A new MK or SMK from fresh randomness (48 bytes).
pub(crate) fn masking_key(random: &[u8; 48]) -> Raw80 {
    let mut out = Zeroizing::new([0; 80]);
    kdf(random, b"MK_DEFAULT", &[], &mut *out);
    out
}

fn kdf(key: &[u8], label: &[u8], context: &[&[u8]], out: &mut [u8]) {
    kbkdf(hmac::HMAC_SHA384, key, label, context, out);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let text: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn array<const N: usize>(text: &str) -> [u8; N] {
        unhex(text).try_into().unwrap()
    }

    const POTA_SPKI: &str = "3076301006072a8648ce3d020106052b8104002203620004f5ba3d4d6de53c4b
        8c11fe2f2276e8081bca965275d24ac1e054f95cf5ace4bee00334ad2f411f2d
        4475d04562e3de25a8be240f128e4fb1492e9d49949e5179fae9537dca764502
        3ce7c4a58f59d96d1e95cee5fb057db86bc245438914a4d8";
    const POTA_RAW: &str = "25dee36245d075442d1f412fad3403e0bee4acf55cf954e0c14ad2755296ca1b
        08e876222ffe118c4b3ce56d4d3dbaf5d8a414894345c26bb87d05fbe5ce951e
        6dd9598fa5c4e73c024576ca7d53e9fa79519e94499d2e49b14f8e120f24bea8";

    pub(crate) fn bk3() -> [u8; 48] {
        std::array::from_fn(|i| u8::try_from(i + 1).unwrap())
    }

    pub(crate) fn partition_key_of_section_11_2() -> Raw80 {
        bk_partition(&bk3(), &unhex(POTA_SPKI), &[0x11; 32], &[0x22; 32])
    }

    /// Semantics 11.2.
    #[test]
    fn row_24_known_answers_of_section_11_2() {
        assert_eq!(
            partition_key_of_section_11_2()[..],
            unhex(
                "505590d76b5cc2f8e9b8aef22e2b920ca69571ef0074fc2259576411fd47fee0
                 0b08c1f2468eacc3129a7aa004ddea8a36f3b5e8cf7db7828bcb47556746dfeb
                 1f65768c2646e7368f61daefb3a9b260"
            )
        );
        assert_eq!(
            bk_partition(&bk3(), &unhex(POTA_RAW), &[0x11; 32], &[0x22; 32])[..],
            unhex(
                "1f0bb088b478ec9dc1abc722c19e52252a41d2bc52c3d7183a7741f02e31f7eb
                 44b09d22d57dfa7f31e4477bc04c30aa73138d9422e18d5e313caa84546107b9
                 c907f9dc0ab5e0d43169f27bbf2facfc"
            )
        );
        let session = bk3_session(&bk3());
        assert_eq!(
            session[..],
            unhex(
                "3444dc91279c91f9ec17e71bc59da0f47bdbf812bd8eb0cadde8534850c3b5b0
                 aa9dab03c9798a5d77e951cb07143932"
            )
        );
        let seed = std::array::from_fn(|i| 0xc0 + u8::try_from(i).unwrap());
        assert_eq!(
            bk_session(&session, &[0x11; 32], &[0x22; 32], &seed)[..],
            unhex(
                "779a261f463689dbdad53a7237cb278b9f74c6717f3ebc57fc468c29c597ad64
                 35f6bd7622d53c9106a2c70c66db1447c148f032d6905cd7dd5d68fa30ba40ec
                 16e02301c9eb2f4ee281d68f704b0270"
            )
        );
        assert_eq!(
            masking_key(&[0x33; 48])[..],
            unhex(
                "914bd2726a761aed2db88b1e94a0b62fb5e15ac5d6d6269980d49db60b3429d8
                 4abded498440f5b0a77eaa25d07c594f36289e1c5e239251b70e1e49adc1d7d0
                 84727144e261a74f13f09db9bb98e60c"
            )
        );
    }

    /// `key_hierarchy.json`: partition keys are the same in both worlds. The session key there is the simulator's.
    #[test]
    fn row_24_partition_keys_of_the_recorded_vectors() {
        let file = super::super::vectors::load("key_hierarchy.json");
        let vectors = file["vectors"].as_array().unwrap();
        assert!(!vectors.is_empty());
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap().to_owned();
            let (bks1, bks2) = (array(&text("bks1")), array(&text("bks2")));
            let key = bk_partition(&array(&text("bk3")), &unhex(&text("owner_public_key_spki")), &bks1, &bks2);
            assert_eq!(key[..], unhex(&text("partition_backup_key")));
            let mut session = [0; 80];
            kdf(&key[32..], b"SESSION_BK", &[&unhex(&text("session_seed"))], &mut session);
            assert_eq!(session[..], unhex(&text("session_backup_key")));
        }
    }

    #[test]
    fn versions_outside_the_window_are_unknown() {
        let fleet = Fleet { root: Zeroizing::new([1; 32]), bks2: Zeroizing::new([2; 32]) };
        assert!(fleet.bks1(12, 11).is_none());
        assert!(fleet.bks1(1, 11).is_some());
        assert!(fleet.bks1(1, 12).is_none());
        assert_ne!(fleet.bks1(3, 11).unwrap(), fleet.bks1(4, 11).unwrap());
    }
}
