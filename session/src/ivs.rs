//! Which IVs have encrypted with AES-GCM in this process: none does so twice under one key, because two messages under one
//! IV give away their XOR and the key of the tags (NIST SP 800-38D, 8). `allow_gcm_iv_reuse` of the configuration turns
//! this off.
//!
//! What is remembered, of all keys together, are the last 65,536 runs: a run is one IV, or any number of consecutive ones,
//! so that of programs that count nothing is ever forgotten; with random IVs it is the last 65,536 messages. A key is
//! known by a fingerprint: objects that are copies of each other, and keys of one value that was outside the HSM, also
//! those that were taken into it since, are one key. A value that arrives twice without being seen here (`unwrap_inside`)
//! is two, and so are two processes.
//!
//! A session that has encrypted nothing at all under an IV may use it for its next encryption: [`Nothing`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{self, Context};
use mechanisms::ck::KeyType;
use mechanisms::import;
use mechanisms::key::{Key, KeyRequest, Material, NewKey, Value};
use mechanisms::operation::CipherOp;
use mechanisms::params::{Mechanism, OwnIv, Params};
use mechanisms::table::CipherInit;
use parking_lot::Mutex;
use transport::partition::Partition;
use zeroize::Zeroizing;

use crate::attribute::AttributeType;
use crate::call::CallerMemory;
use crate::library::Library;
use crate::operation::Permitted;
use crate::{Code, Error, Result};

/// The IVs of this process.
#[derive(Debug, Default)]
pub(crate) struct Ivs(Mutex<Memory>);

/// What a key is known by here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyName(u128);

/// An IV as a number: one of 12 bytes is itself, so that consecutive ones are neighbours; any other is a hash.
type Number = u128;
type Point = (KeyName, Number);

#[derive(Debug, Default)]
struct Memory {
    /// The runs by their first IV.
    runs: BTreeMap<Point, Run>,
    /// Where runs began, oldest first; some have become part of another since.
    order: VecDeque<Point>,
    /// IVs of operations that have begun and not ended: as few as there are sessions at work.
    claimed: Vec<Point>,
    /// Keys that were taken into the HSM, which are known by their values as they were outside.
    inside: BTreeMap<KeyName, KeyName>,
    /// They, oldest first.
    taken_in: VecDeque<KeyName>,
    /// Goes into the fingerprints of values, so that they mean nothing outside this process.
    salt: Option<[u8; 32]>,
}

#[derive(Debug)]
struct Run {
    last: Number,
    /// It grew since it was last looked at for being the oldest.
    grew: bool,
}

impl From<[u8; 32]> for KeyName {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest.iter().take(16).fold(0, |name, byte| (name << 8) | u128::from(*byte)))
    }
}

impl Ivs {
    /// What the key is known by; `None` for one that does not encrypt with GCM.
    pub(crate) fn name(&self, key: &Key) -> Result<Option<KeyName>> {
        match &key.material {
            Material::Hsm(key, _) => {
                let blob = KeyName::from(key.name());
                Ok(Some(self.0.lock().inside.get(&blob).copied().unwrap_or(blob)))
            }
            Material::Clear(value) => self.name_of_value(value),
            Material::Public(_) => Ok(None),
        }
    }

    /// [`mechanisms::import`]: a key that comes in twice is two keys in the HSM, and one for the IVs.
    pub(crate) fn import(
        &self,
        value: Value,
        request: &KeyRequest,
        partition: Option<&Arc<Partition>>,
    ) -> Result<NewKey> {
        let name = if request.key_type == Some(KeyType::AES) { self.name_of_value(&value)? } else { None };
        let new = import(value, request, partition)?;
        if let (Some(name), Material::Hsm(key, _)) = (name, &new.material) {
            self.0.lock().take_in(KeyName::from(key.name()), name);
        }
        Ok(new)
    }

    fn name_of_value(&self, value: &Value) -> Result<Option<KeyName>> {
        let Value::Secret(bytes) = value else { return Ok(None) };
        let mut context = Context::new(&digest::SHA256);
        context.update(&self.salt()?);
        context.update(bytes);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Ok(Some(KeyName::from(digest)))
    }

    /// Takes an IV for an encryption that begins; `None` where it was used.
    pub(crate) fn claim(self: &Arc<Self>, key: KeyName, iv: &[u8]) -> Option<Claim> {
        let point = (key, number(iv));
        let mut memory = self.0.lock();
        if memory.is_spent(point) || memory.claimed.contains(&point) {
            return None;
        }
        memory.claimed.push(point);
        Some(Claim { ivs: Arc::clone(self), point })
    }

    /// Remembers an IV that the token chose.
    pub(crate) fn spent(&self, key: KeyName, iv: &[u8]) {
        self.0.lock().spend((key, number(iv)));
    }

    /// The IV that follows the run of spent ones that a 12-byte IV is in.
    pub(crate) fn next_unspent(&self, key: KeyName, iv: &[u8]) -> Option<[u8; IV_LEN]> {
        let point = (key, number(iv));
        let memory = self.0.lock();
        let next = match memory.run_up_to(point) {
            Some((_, run)) if run.last >= point.1 => run.last + 1,
            _ => point.1 + 1,
        };
        drop(memory);
        let (high, iv) = next.to_be_bytes().split_last_chunk().map(|(high, iv)| (high == [0; 4], *iv))?;
        high.then_some(iv)
    }

    fn salt(&self) -> Result<[u8; 32]> {
        let mut memory = self.0.lock();
        if let Some(salt) = memory.salt {
            return Ok(salt);
        }
        let mut salt = [0; 32];
        mechanisms::random::fill(&mut salt)?;
        Ok(*memory.salt.insert(salt))
    }
}

impl Memory {
    /// Remembers what a key in the HSM is known by, and forgets the oldest where there are too many.
    fn take_in(&mut self, blob: KeyName, value: KeyName) {
        self.inside.insert(blob, value);
        self.taken_in.push_back(blob);
        if self.taken_in.len() > MAX_RUNS
            && let Some(oldest) = self.taken_in.pop_front()
        {
            self.inside.remove(&oldest);
        }
    }

    /// The last run of the key that begins at or before the point.
    fn run_up_to(&self, point: Point) -> Option<(Point, &Run)> {
        let (first, run) = self.runs.range(..=point).next_back()?;
        (first.0 == point.0).then_some((*first, run))
    }

    fn is_spent(&self, point: Point) -> bool {
        self.run_up_to(point).is_some_and(|(_, run)| run.last >= point.1)
    }

    fn spend(&mut self, point: Point) {
        let (key, number) = point;
        // A number has at most 127 bits, so its neighbours are numbers.
        let next = (key, number + 1);
        // The run that begins just after, and the last one that begins before, in one walk.
        let mut near = self.runs.range_mut(..=next).rev().peekable();
        let after = near.next_if(|(first, _)| **first == next).map(|(_, run)| run.last);
        let before = near.next().filter(|(first, _)| first.0 == key).map(|(_, run)| run);
        match before {
            Some(run) if run.last >= number => return,
            Some(run) if run.last + 1 == number => {
                run.last = after.unwrap_or(number);
                run.grew = true;
            }
            _ => {
                self.runs.insert(point, Run { last: after.unwrap_or(number), grew: false });
                self.order.push_back(point);
            }
        }
        if after.is_some() {
            self.runs.remove(&next);
        }
        self.forget();
    }

    /// Forgets the oldest runs that have not grown lately, where there are too many.
    fn forget(&mut self) {
        while self.runs.len() > MAX_RUNS {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Entry::Occupied(mut run) = self.runs.entry(oldest) {
                if run.get().grew {
                    run.get_mut().grew = false;
                    self.order.push_back(oldest);
                } else {
                    run.remove();
                }
            }
        }
        if self.order.len() > 2 * MAX_RUNS {
            let Self { runs, order, .. } = self;
            order.retain(|point| runs.contains_key(point));
        }
    }
}

/// An IV that an encryption has for itself; it is free again when this is dropped, unless it was [spent](Claim::spend).
#[derive(Debug)]
pub(crate) struct Claim {
    ivs: Arc<Ivs>,
    point: Point,
}

impl Claim {
    /// The encryption is done.
    pub(crate) fn spend(self) {
        self.ivs.0.lock().spend(self.point);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let claimed = &mut self.ivs.0.lock().claimed;
        if let Some(at) = claimed.iter().position(|point| *point == self.point) {
            claimed.swap_remove(at);
        }
    }
}

fn number(iv: &[u8]) -> Number {
    if let Ok(iv) = <[u8; IV_LEN]>::try_from(iv) {
        return iv.iter().fold(0, |number, byte| (number << 8) | Number::from(*byte));
    }
    let digest = digest::digest(&digest::SHA256, iv);
    let hash = digest.as_ref().iter().take(16).fold(0, |number, byte| (number << 8) | Number::from(*byte));
    // Above every IV of 12 bytes, and below the largest number.
    (hash >> 2) | (1 << 126)
}

/// `CKR_MECHANISM_PARAM_INVALID`: what the standard lists for an IV that cannot be used, at `C_EncryptInit` and for messages.
pub(crate) fn reused() -> Error {
    Code::MechanismParamInvalid.because("this key has encrypted with this IV before (allow_gcm_iv_reuse allows it)")
}

/// An IV of the token that is due to the caller when his encryption is finished.
#[derive(Debug)]
pub(crate) struct Due {
    place: CallerMemory,
    iv: OwnIv,
}

impl Due {
    /// Where the IV goes, and the IV, when the encryption is done.
    pub(crate) fn deliver(self) -> Option<(CallerMemory, [u8; IV_LEN])> {
        Some((self.place, self.iv.get()?))
    }
}

/// The IV of a session's last encryption, where that was of no message and no additional data: it may encrypt once more, as
/// the session's next. This is how SunPKCS11 of Java 17 gives up an encryption, to begin it again with additional data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nothing(Arc<Mutex<Option<Held>>>);

/// A claim that is spent in the end, whatever happens.
#[derive(Debug)]
struct Held(Option<Claim>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(claim) = self.0.take() {
            claim.spend();
        }
    }
}

impl Nothing {
    /// The IV, where it is this one; another one is spent.
    fn take(&self, key: KeyName, iv: &[u8]) -> Option<Claim> {
        let mut held = self.0.lock().take()?;
        held.0.take_if(|claim| claim.point == (key, number(iv)))
    }
}

/// Starts encryption or wrapping; with AES-GCM, sees to who chooses the IV, and that none is used twice. `place` is where
/// the caller's IV stands, for a key of which the token chooses the IVs.
pub(crate) fn start(
    library: &Library,
    start: CipherInit,
    mechanism: &Mechanism,
    permitted: &Permitted,
    place: Option<CallerMemory>,
) -> Result<(Box<dyn CipherOp>, Option<Due>)> {
    start_after(&Nothing::default(), library, start, mechanism, permitted, place)
}

/// [`start`] after the session's last encryption.
pub(crate) fn start_after(
    nothing: &Nothing,
    library: &Library,
    start: CipherInit,
    mechanism: &Mechanism,
    permitted: &Permitted,
    place: Option<CallerMemory>,
) -> Result<(Box<dyn CipherOp>, Option<Due>)> {
    let Params::Gcm { iv, aad, tag_bits } = &mechanism.params else {
        return Ok((start(&mechanism.params, &permitted.key)?, None));
    };
    if permitted.object.attributes.flag(AttributeType::AZIHSM_DEVICE_IV) {
        let place = place.filter(|_| iv.len() == IV_LEN).ok_or_else(|| {
            Code::MechanismParamInvalid
                .because("CKA_AZIHSM_DEVICE_IV: pIv is a buffer of 12 bytes, which an encryption fills")
        })?;
        let due = Due { place, iv: OwnIv::default() };
        let params = Params::GcmOwnIv { iv: due.iv.clone(), aad: aad.clone(), tag_bits: *tag_bits };
        return Ok((start(&params, &permitted.key)?, Some(due)));
    }
    let run = start(&mechanism.params, &permitted.key)?;
    match library.ivs.name(&permitted.key)?.filter(|_| !library.config.allow_gcm_iv_reuse) {
        Some(name) => {
            let again = nothing.take(name, iv);
            let claim = again.or_else(|| library.ivs.claim(name, iv)).ok_or_else(reused)?;
            let nothing = aad.is_empty().then(|| nothing.clone());
            Ok((Box::new(Once { run, claim, nothing }), None))
        }
        None => Ok((run, None)),
    }
}

/// An encryption whose IV is spent when its answer is there.
struct Once {
    run: Box<dyn CipherOp>,
    claim: Claim,
    /// As long as nothing is encrypted.
    nothing: Option<Nothing>,
}

impl Once {
    fn done(claim: Claim, nothing: Option<Nothing>) {
        match nothing {
            // Where another one is held, it is spent now.
            Some(nothing) => drop(nothing.0.lock().replace(Held(Some(claim)))),
            None => claim.spend(),
        }
    }
}

impl CipherOp for Once {
    fn update_len(&self, len: usize) -> usize {
        self.run.update_len(len)
    }

    fn final_len(&self, len: usize) -> usize {
        self.run.final_len(len)
    }

    fn answer_is_padded(&self) -> bool {
        self.run.answer_is_padded()
    }

    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.nothing.take_if(|_| !part.is_empty());
        self.run.update(part, out)
    }

    fn finish(self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let Self { run, claim, nothing } = *self;
        run.finish(out)?;
        Self::done(claim, nothing);
        Ok(())
    }

    fn whole(self: Box<Self>, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let Self { run, claim, nothing } = *self;
        run.whole(message, out)?;
        Self::done(claim, nothing.filter(|_| message.is_empty()));
        Ok(())
    }
}

/// Length of the IVs that the device takes.
const IV_LEN: usize = 12;
/// How many runs are remembered, and how many keys that were taken in; some ten megabytes at most.
const MAX_RUNS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyName = KeyName(1);

    fn iv(number: u64) -> [u8; 12] {
        let mut iv = [0; 12];
        iv[4..].copy_from_slice(&number.to_be_bytes());
        iv
    }

    fn ivs() -> Arc<Ivs> {
        Arc::default()
    }

    #[test]
    fn an_iv_is_spent_once_and_free_again_where_it_was_not() {
        let ivs = ivs();
        let claim = ivs.claim(KEY, &iv(1)).unwrap();
        assert!(ivs.claim(KEY, &iv(1)).is_none(), "claimed");
        assert!(ivs.claim(KeyName(2), &iv(1)).is_some(), "another key");
        drop(claim);
        ivs.claim(KEY, &iv(1)).unwrap().spend();
        assert!(ivs.claim(KEY, &iv(1)).is_none(), "spent");
        assert!(ivs.0.lock().claimed.is_empty());
        for other in [&[0; 16][..], &[7], &[0; 11]] {
            ivs.claim(KEY, other).unwrap().spend();
            assert!(ivs.claim(KEY, other).is_none());
        }
    }

    #[test]
    fn an_iv_of_nothing_encrypts_once_more_and_at_once() {
        let (ivs, nothing) = (ivs(), Nothing::default());
        let hold = |number| Once::done(ivs.claim(KEY, &iv(number)).unwrap(), Some(nothing.clone()));
        hold(1);
        assert!(ivs.claim(KEY, &iv(1)).is_none(), "not for others");
        nothing.take(KEY, &iv(1)).expect("for the next").spend();
        assert!(ivs.claim(KEY, &iv(1)).is_none() && nothing.take(KEY, &iv(1)).is_none());
        hold(2);
        assert!(nothing.take(KEY, &iv(3)).is_none() && nothing.take(KEY, &iv(2)).is_none(), "another came between");
        hold(4);
        hold(5);
        assert!(ivs.claim(KEY, &iv(4)).is_none() && nothing.take(KEY, &iv(4)).is_none());
        hold(6);
        drop(nothing);
        for number in [2, 4, 5, 6] {
            assert!(ivs.claim(KEY, &iv(number)).is_none(), "spent in the end: {number}");
        }
        assert!(ivs.0.lock().claimed.is_empty());
    }

    #[test]
    fn consecutive_ivs_are_one_run_in_any_order() {
        let ivs = ivs();
        for at in [5, 3, 4, 1, 0, 2, 7, 6, u64::MAX] {
            ivs.spent(KEY, &iv(at));
            ivs.spent(KEY, &iv(at));
        }
        let memory = ivs.0.lock();
        let runs: Vec<_> = memory.runs.iter().map(|((_, first), run)| (*first, run.last)).collect();
        assert_eq!(runs, [(0, 7), (u128::from(u64::MAX), u128::from(u64::MAX))]);
        drop(memory);
        assert_eq!(ivs.next_unspent(KEY, &iv(3)), Some(iv(8)));
        assert_eq!(ivs.next_unspent(KEY, &iv(100)), Some(iv(101)));
        ivs.spent(KEY, &[0xff; 12]);
        assert_eq!(ivs.next_unspent(KEY, &[0xff; 12]), None, "no IV follows the last");
    }

    #[test]
    fn the_oldest_is_forgotten_but_not_what_still_grows() {
        let ivs = ivs();
        ivs.spent(KEY, &iv(1));
        ivs.spent(KEY, &iv(100));
        ivs.spent(KEY, &iv(101));
        for at in 0..MAX_RUNS as u64 {
            ivs.spent(KEY, &iv(1000 + 2 * at));
        }
        let memory = ivs.0.lock();
        assert!(memory.runs.len() == MAX_RUNS && memory.order.len() <= 2 * MAX_RUNS);
        drop(memory);
        assert!(ivs.claim(KEY, &iv(1)).is_some(), "the oldest");
        assert!(ivs.claim(KEY, &iv(100)).is_none() && ivs.claim(KEY, &iv(101)).is_none(), "a run that grew");
        assert!(ivs.claim(KEY, &iv(1000)).is_none() || ivs.claim(KEY, &iv(1002)).is_none());
        assert!(ivs.claim(KEY, &iv(1000 + 2 * (MAX_RUNS as u64 - 1))).is_none(), "the newest");
    }

    #[test]
    fn places_of_runs_that_grew_together_do_not_pile_up() {
        let ivs = ivs();
        for at in 0..3 * MAX_RUNS as u64 {
            ivs.spent(KEY, &iv(2 * at + 1));
            ivs.spent(KEY, &iv(2 * at));
        }
        let memory = ivs.0.lock();
        assert_eq!(memory.runs.len(), 1);
        assert!(memory.order.len() <= 2 * MAX_RUNS + 1, "{}", memory.order.len());
    }

    #[test]
    fn keys_of_one_value_have_one_name() {
        let ivs = ivs();
        let key = |bytes: &[u8]| {
            let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
            let material = Material::Clear(Arc::new(value));
            Key { key_type: mechanisms::ck::KeyType::AES, material, public: None }
        };
        let name = |ivs: &Ivs, bytes| ivs.name(&key(bytes)).unwrap().unwrap();
        assert_eq!(name(&ivs, &[1; 16]), name(&ivs, &[1; 16]));
        assert_ne!(name(&ivs, &[1; 16]), name(&ivs, &[2; 16]));
        assert_ne!(name(&ivs, &[1; 16]), name(&Ivs::default(), &[1; 16]), "another process");
    }
}
