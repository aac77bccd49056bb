//! One device session of this process and everything that lives and dies with it: the live keys, and their ids.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::hsm_key::{Fingerprint, HsmKey, Source};
use super::ledger::Ledger;
use super::life::Life;
use super::line::{Frame, Line};
use super::live::{Evicted, Found, LiveKey, LiveKeys, Pin};
use super::provision::{self, Session};
use super::reaction::{READY_WAIT, Reaction, lost_xts_keys, reaction, repeat};
use super::turn::{Held, LetGo, Looked, Turns};
use super::{Durable, FacetKind, PartitionBlobs, PartitionSecrets, Shared, keys};
use crate::channel::{Channel, ChannelError, Device, Direction, GcmCall, GcmReply, XtsCall};
use crate::ddi::command::{CloseSession, DeleteKey, GetUnwrappingKey, UnmaskKey};
use crate::ddi::{Opcode, Request, Status};
use crate::{Error, Result};

/// A provisioned partition entered through one handle. All ids in it belong to it, so none can be used after a reset: a
/// new connection has a new epoch and an empty cache, and the device refuses the old session.
#[derive(Debug)]
pub(super) struct Connection {
    line: Line,
    session: u16,
    short_app_id: u8,
    /// Which of the partition's connections this is.
    epoch: u64,
    live: LiveKeys,
    root: HsmKey,
    seal: HsmKey,
    unwrapping: OnceLock<UnwrappingKey>,
    /// The partition's life in which the session was opened.
    life: Life,
    /// What the processes of the partition tell one another.
    shared: Arc<Shared>,
    /// The App keys that are in the device for us.
    ledger: Ledger,
    held: Held,
    /// Who waits for places in the tables, and for bulk places.
    tables: Looked,
    bulk: Looked,
    /// Whether a key found no place, though nothing of ours took one.
    starved: AtomicBool,
    /// Whether the device still knows the session, as far as we do.
    alive: AtomicBool,
    /// Held while two live keys are gathered for one command: two threads with one each would wait for each other when the
    /// device has no room for a third.
    gathering: Mutex<()>,
    /// The process that opened the handle; a forked child must not use it (semantics 9.2 rule 10).
    process: u32,
}

/// The partition's RSA import key.
#[derive(Clone, Debug)]
pub(super) struct UnwrappingKey {
    pub(super) id: u16,
    /// SPKI DER.
    pub(super) spki: Vec<u8>,
    masked: Vec<u8>,
}

impl Connection {
    /// Provisions the partition if need be and opens a session. Makes and stores what the store lacks.
    pub(super) fn open(
        device: &dyn Device,
        secrets: &PartitionSecrets,
        durable: &dyn Durable,
        shared: &Arc<Shared>,
        epoch: u64,
    ) -> Result<Self> {
        let (line, _) = provision::open(device)?;
        let (blobs, present) = provision::establish(device, &line, secrets, durable, &shared.lives)?;
        let open_session = || shared.turns.wait(|| provision::open_session(&line, secrets));
        let full = |error: &Error| matches!(reaction(error), Reaction::MakeRoom { .. });
        // A session takes a place in the tables, too.
        let opened = match open_session() {
            Err(error) if full(&error) && shared.tables.is_shared() => {
                let attempt = || Some(open_session()).filter(|opened| !opened.as_ref().is_err_and(full));
                shared.tables.stand(|| (), attempt).unwrap_or(Err(error))
            }
            opened => opened,
        };
        let Session { id, short_app_id } = opened?;
        let mut connection = Self {
            line,
            session: id,
            short_app_id,
            epoch,
            live: LiveKeys::default(),
            root: HsmKey::new(Vec::new(), None),
            seal: HsmKey::new(Vec::new(), None),
            unwrapping: OnceLock::new(),
            life: present,
            shared: Arc::clone(shared),
            ledger: Ledger::open(shared.folder.as_deref(), present),
            held: Held::new(id),
            tables: Looked::new(),
            bulk: Looked::new(),
            starved: AtomicBool::new(false),
            alive: AtomicBool::new(true),
            gathering: Mutex::new(()),
            process: std::process::id(),
        };
        // While we waited for the session another process may have begun a new life of the partition, in which it is. By
        // the life before we would take living keys for those that a dead process left, and delete them. Who begins a
        // life marks it before there can be a session in it, so the same mark now is the session's own.
        if shared.lives.now()? != present {
            let (command, status) = (Opcode::OPEN_SESSION, Status::SESSION_NEEDS_RENEGOTIATION);
            return Err(Error::Device { command, status });
        }
        connection.clear_left_overs();
        connection.complete(blobs, durable)?;
        Ok(connection)
    }

    /// Takes over the token's own keys, and makes those that are missing.
    fn complete(&mut self, blobs: PartitionBlobs, durable: &dyn Durable) -> Result<()> {
        let mut blobs = blobs;
        if blobs.muk.is_none() || blobs.root.is_none() || blobs.seal.is_none() {
            durable.exclusively(&mut |stored, store| {
                // Another process may have been here since.
                let before = stored.clone();
                let root = match &stored.root {
                    Some(root) => HsmKey::decode(root)?,
                    None => keys::make_root(self)?,
                };
                if stored.root.is_none() {
                    stored.root = Some(root.encode());
                }
                if stored.seal.is_none() {
                    stored.seal = Some(keys::make_seal(self, &root)?.encode());
                }
                if stored.muk.is_none() {
                    // A key that the device is still making is no reason to keep a user waiting for the login.
                    stored.muk = match self.fetch_unwrapping_key() {
                        Ok(key) => Some(self.unwrapping.get_or_init(|| key).masked.clone()),
                        Err(error) if reaction(&error) == Reaction::Later => None,
                        Err(error) => return Err(error),
                    };
                }
                if *stored != before {
                    store(stored)?;
                }
                blobs = stored.clone();
                Ok(())
            })?;
        }
        self.root = HsmKey::decode(blobs.root.as_deref().unwrap_or_default())?;
        self.seal = HsmKey::decode(blobs.seal.as_deref().unwrap_or_default())?;
        Ok(())
    }

    /// The token's root secret.
    pub(super) fn root(&self) -> &HsmKey {
        &self.root
    }

    /// The token's sealing key.
    pub(super) fn sealing_key(&self) -> &HsmKey {
        &self.seal
    }

    /// Sends a command of the session.
    pub(super) fn send<'a, R: Request<'a>, T>(
        &self,
        request: &R,
        read: impl FnOnce(R::Response<'_>) -> T,
    ) -> Result<T> {
        self.line.send(Some(self.session), request, read)
    }

    /// Buffers for the requests of one operation.
    pub(super) fn frame(&self) -> Frame<'_> {
        self.line.frame()
    }

    /// The first half of [`Connection::send`]: afterwards the request's borrows have ended, and [`Connection::read`] may
    /// write the answer where the request came from.
    pub(super) fn carry<'a, R: Request<'a>>(&self, request: &R, frame: &mut Frame<'_>) -> Result<()> {
        self.line.carry(Some(self.session), request, frame)
    }

    /// The second half of [`Connection::send`].
    pub(super) fn read<'a, R: Request<'a>, T>(
        &self,
        frame: &Frame<'_>,
        read: impl FnOnce(R::Response<'_>) -> T,
    ) -> Result<T> {
        self.line.read::<R, T>(Some(self.session), frame, read)
    }

    /// Runs AES-GCM on the fast path, in place.
    pub(super) fn gcm(
        &self,
        key: &LiveKey,
        direction: Direction,
        iv: &[u8; 12],
        tag: Option<&[u8; 16]>,
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<GcmReply> {
        let bulk_key = key.bulk.ok_or(Error::UnexpectedAnswer("an AES-GCM key without a bulk key id"))?;
        let (session, short_app_id) = (self.session, self.short_app_id);
        let (iv, tag) = (*iv, tag.copied());
        self.fast_path(|channel, still| {
            let data = &mut *data;
            channel.gcm_if(GcmCall { direction, session, short_app_id, bulk_key, iv, tag, aad, data }, still)
        })
    }

    /// Runs AES-XTS on the fast path over one data unit, in place.
    pub(super) fn xts(
        &self,
        data_key: &LiveKey,
        tweak_key: &LiveKey,
        direction: Direction,
        tweak: [u8; 16],
        data: &mut [u8],
    ) -> Result<()> {
        let bulk = |key: &LiveKey| key.bulk.ok_or(Error::UnexpectedAnswer("an AES-XTS key without a bulk key id"));
        let (data_key, tweak_key) = (bulk(data_key)?, bulk(tweak_key)?);
        let (session, short_app_id, data_unit_len) = (self.session, self.short_app_id, data.len());
        self.fast_path(|channel, still| {
            let data = &mut *data;
            let call = XtsCall { direction, session, short_app_id, data_key, tweak_key, tweak, data_unit_len, data };
            channel.xts_if(call, still)
        })
    }

    /// Runs a fast-path call on the condition that the partition's life is still ours (see `life`).
    fn fast_path<T>(
        &self,
        mut call: impl FnMut(&dyn Channel, &dyn Fn() -> bool) -> std::result::Result<T, ChannelError>,
    ) -> Result<T> {
        let same_life = || self.shared.lives.now() == Ok(self.life);
        let done = repeat(Reaction::Later, READY_WAIT, || Ok(call(&*self.line.channel, &same_life)?));
        match done {
            Err(error) if !matches!(reaction(&error), Reaction::Reconnect) && !same_life() => {
                // What the device answers on the other path. The failure was another key's.
                let (command, status) = (Opcode::REOPEN_SESSION, Status::SESSION_NEEDS_RENEGOTIATION);
                Err(Error::Device { command, status })
            }
            done => done,
        }
    }

    /// Runs a command on a facet's live key, which stays in the device until the command has ended. A key that the
    /// device does not know any more is brought in again, once.
    pub(super) fn with_key<T>(
        &self,
        key: &HsmKey,
        kind: FacetKind,
        mut run: impl FnMut(&LiveKey) -> Result<T>,
    ) -> Result<T> {
        let (name, source) = key.source(kind)?;
        let pin = self.live_key(&name, &source, kind)?;
        match run(&pin) {
            Err(error) if reaction(&error) == Reaction::Reload => {
                self.lost(&name, &pin);
                drop(pin);
                run(&*self.live_key(&name, &source, kind)?)
            }
            done => done,
        }
    }

    /// As [`Connection::with_key`], for the two keys of AES-XTS.
    pub(super) fn with_xts_keys<T>(
        &self,
        key: &HsmKey,
        mut run: impl FnMut(&LiveKey, &LiveKey) -> Result<T>,
    ) -> Result<T> {
        let (data_name, data) = key.source(FacetKind::AesXts)?;
        let (tweak_name, tweak) = key.source(FacetKind::AesXtsTweak)?;
        // Each of them may have to be brought in again, once.
        let mut reloads = 2;
        loop {
            let (data_pin, tweak_pin) = {
                let _one = self.gathering.lock();
                let data_pin = self.live_key(&data_name, &data, FacetKind::AesXts)?;
                (data_pin, self.live_key(&tweak_name, &tweak, FacetKind::AesXtsTweak)?)
            };
            let error = match run(&data_pin, &tweak_pin) {
                Err(error) if reloads > 0 && reaction(&error) == Reaction::Reload => error,
                done => return done,
            };
            reloads -= 1;
            let (data_lost, tweak_lost) = lost_xts_keys(&error);
            if data_lost {
                self.lost(&data_name, &data_pin);
            }
            if tweak_lost {
                self.lost(&tweak_name, &tweak_pin);
            }
        }
    }

    /// Forgets a key that the device says it does not have.
    fn lost(&self, name: &Fingerprint, pin: &Pin) {
        self.ledger.cross_out(pin.id);
        self.live.lost(name, pin);
    }

    fn live_key(&self, name: &Fingerprint, source: &Source<'_>, kind: FacetKind) -> Result<Pin> {
        let pin = match self.live.pin(name) {
            Found::Live(pin) => pin,
            Found::Missing(load) => {
                if keys::is_bulk(kind) && self.shared.bulk.somebody_waits() {
                    self.get_in_line();
                }
                let key = match source {
                    Source::Blob(blob) => self.unmask(blob, kind)?,
                    Source::Recipe(recipe) => keys::derive_again(self, recipe, kind)?,
                };
                load.done(key)
            }
        };
        if pin.epoch == self.epoch { Ok(pin) } else { Err(Error::UnexpectedAnswer("a key id of another epoch")) }
    }

    fn unmask(&self, blob: &[u8], kind: FacetKind) -> Result<LiveKey> {
        let unmasked = self.making_room(|| {
            self.send(&UnmaskKey { masked_key: blob }, |body| (body.key_id, body.bulk_key_id, body.kind))
        });
        let (id, bulk, key_type) = unmasked.map_err(|error| match reaction(&error) {
            Reaction::BlobRejected => Error::BlobRejected("a masked key"),
            _ => error,
        })?;
        let key = self.owned(id, bulk);
        // The blob's own metadata are trustworthy now that the device has opened it (semantics 7.8).
        if keys::fits(kind, key_type) {
            return Ok(key);
        }
        self.delete(&key);
        Err(Error::BlobRejected("a masked key of another kind"))
    }

    /// The id of an App key that the device just gave us.
    pub(super) fn owned(&self, id: u16, bulk: Option<u16>) -> LiveKey {
        self.made(id, bulk, false)
    }

    /// An id that the device just gave us: of a Session key, or of an App key.
    pub(super) fn made(&self, id: u16, bulk: Option<u16>, of_session: bool) -> LiveKey {
        if !of_session {
            self.ledger.note(id);
        }
        LiveKey { id, bulk, of_session, epoch: self.epoch }
    }

    /// Takes a key that was just made into the cache, so that its first use needs no `UnmaskKey`.
    pub(super) fn keep(&self, key: &HsmKey, kind: FacetKind, live: LiveKey) -> Result<()> {
        let (name, _) = key.source(kind)?;
        self.live.insert(name, live);
        Ok(())
    }

    /// Runs a command that needs a place in the device, evicting keys for it as long as that may help, and then waiting for
    /// other processes to do so.
    pub(super) fn making_room<T>(&self, mut run: impl FnMut() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            let error = match run() {
                Err(error) => error,
                done => return done,
            };
            let Reaction::MakeRoom { bulk } = reaction(&error) else {
                return Err(error);
            };
            let places = self.places(bulk);
            // Threads that all wait for a place take each other for the ones who have it.
            let patience = if places.is_shared() { BUSY_WAIT } else { ROOM_WAIT };
            match self.live.evict(bulk) {
                Evicted::Key(key) => self.delete(&key),
                Evicted::AllInUse if begun.elapsed() < patience => {}
                Evicted::Nothing if self.clear_left_overs() > 0 => {}
                Evicted::AllInUse | Evicted::Nothing if places.is_shared() => match self.in_line(bulk, &mut run) {
                    Some(Err(error)) if matches!(reaction(&error), Reaction::MakeRoom { .. }) => {}
                    Some(done) => return done,
                    None => {
                        self.starved.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                },
                Evicted::Nothing => {
                    self.starved.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                Evicted::AllInUse => return Err(error),
            }
        }
    }

    /// Gets behind the processes that wait for a bulk place, so that what was given to them is not taken from them.
    fn get_in_line(&self) {
        self.shared.bulk.stand(|| self.give_one(true), || Some(()));
    }

    /// Takes out a key that nobody uses just now.
    fn give_one(&self, bulk: bool) {
        if let Evicted::Key(key) = self.live.evict(bulk) {
            self.delete(&key);
        }
    }

    /// Runs a command that needs a place when it is our turn, until there is one; `None` when that takes too long.
    fn in_line<T>(&self, bulk: bool, mut run: impl FnMut() -> Result<T>) -> Option<Result<T>> {
        // While we wait for others they may wait for what we have and do not use.
        let give = || self.give_one(bulk);
        self.places(bulk).stand(give, || match run() {
            Err(error) if reaction(&error) == (Reaction::MakeRoom { bulk }) => {
                give();
                None
            }
            done => Some(done),
        })
    }

    fn places(&self, bulk: bool) -> &Turns {
        if bulk { &self.shared.bulk } else { &self.shared.tables }
    }

    /// Takes a key out for another process that waits for its place.
    fn give_places(&self) {
        for (bulk, looked) in [(false, &self.tables), (true, &self.bulk)] {
            if looked.give(self.places(bulk)) {
                match self.live.evict(bulk) {
                    Evicted::Key(key) => self.delete(&key),
                    Evicted::AllInUse => looked.again(),
                    Evicted::Nothing => {}
                }
            }
        }
    }

    /// Deletes a key that nobody can reach any more. What cannot be deleted stays until the next reset: there is nothing
    /// that a caller could do about it.
    pub(super) fn delete(&self, key: &LiveKey) {
        let _ = self.try_delete(key);
    }

    /// Deletes the keys that killed processes left in the device; answers how many.
    fn clear_left_overs(&self) -> usize {
        let mut count = 0;
        self.ledger.left_overs(self.shared.folder.as_deref(), self.life, |id| {
            let deleted = repeat(Reaction::Later, DELETE_WAIT, || self.send(&DeleteKey { key_id: id }, |_| ()));
            count += usize::from(deleted.is_ok());
        });
        count
    }

    /// Whether a key found no place, though nothing of ours took one.
    pub(super) fn starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    /// Whether other processes need the session.
    pub(super) fn let_go(&self) -> LetGo {
        self.give_places();
        self.held.let_go(&self.shared.turns)
    }

    fn try_delete(&self, key: &LiveKey) -> Result<()> {
        if !key.of_session {
            self.ledger.cross_out(key.id);
        }
        repeat(Reaction::Later, DELETE_WAIT, || self.send(&DeleteKey { key_id: key.id }, |_| ()))
    }

    /// Deletes the live keys of a key whose object is gone, as soon as their last use has ended.
    pub(super) fn forget(&self, key: &HsmKey) {
        for name in key.fingerprints() {
            self.live.doom(&name);
        }
        while let Some(key) = self.live.doomed() {
            self.delete(&key);
        }
    }

    /// The RSA key that imports are wrapped to. The device makes it in the background after a cold start without a MUK.
    pub(super) fn unwrapping_key(&self) -> Result<&UnwrappingKey> {
        if let Some(key) = self.unwrapping.get() {
            return Ok(key);
        }
        let key = repeat(Reaction::Later, UNWRAPPING_KEY_WAIT, || self.fetch_unwrapping_key())?;
        Ok(self.unwrapping.get_or_init(|| key))
    }

    fn fetch_unwrapping_key(&self) -> Result<UnwrappingKey> {
        self.send(&GetUnwrappingKey, |body| UnwrappingKey {
            id: body.key_id,
            spki: body.pub_key.der.into_owned(),
            masked: body.masked_key.to_vec(),
        })
    }

    /// The device forgot this session in a reset, and its keys are gone.
    pub(super) fn abandon(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    /// Runs when the last command has ended. App keys would otherwise stay until the next reset: no one can enumerate
    /// them (semantics 7.6).
    fn drop(&mut self) {
        // The ledger stays, for whoever comes next, wherever keys may be left.
        if !*self.alive.get_mut() || self.process != std::process::id() {
            return;
        }
        // Session keys end with the session.
        for key in self.live.drain().into_iter().filter(|key| !key.of_session) {
            match self.try_delete(&key) {
                // All the others would fail, or wait, the same way.
                Err(Error::Channel(ChannelError::NotReady)) => return,
                Err(error) if reaction(&error) == Reaction::Recover => return,
                _ => {}
            }
        }
        self.ledger.close();
        let session = Some(self.session);
        // Closing the handle, which comes next, flushes a session that would not close.
        let _ = repeat(Reaction::Later, DELETE_WAIT, || self.line.send(session, &CloseSession, |_| ()));
    }
}

/// How long a command waits for uses of keys to end, before it waits for other processes.
const BUSY_WAIT: Duration = Duration::from_millis(10);
/// How long a command waits for a place while every key is in use.
const ROOM_WAIT: Duration = Duration::from_secs(10);
/// How long a busy key is waited for (semantics 5.7).
const DELETE_WAIT: Duration = Duration::from_millis(200);
/// How long an import waits for the device's RSA key generation.
const UNWRAPPING_KEY_WAIT: Duration = Duration::from_mins(2);
