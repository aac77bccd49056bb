//! What message encryption and decryption share.

use std::sync::Arc;

use cryptoki_sys::{CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR, CKG_NO_GENERATE};
use mechanisms::iv::Generator;
use mechanisms::operation::{MessageOp, MessageParams};
use mechanisms::params::{Mechanism, Params};
use mechanisms::table::{MessageInit, Row};
use zeroize::Zeroizing;

use super::{Answer, Begun, MessageShape, Process};
use crate::attribute::AttributeType;
use crate::call::{Argument, ObjectHandle, Reply, Room};
use crate::ivs::{Claim, Ivs, KeyName, reused};
use crate::library::Library;
use crate::operation::{Permitted, Purpose, permitted, row};
use crate::sessions::Session;
use crate::{Code, Result};

/// Encryption or decryption of messages.
pub(super) struct Ciphers {
    op: Box<dyn MessageOp>,
    shape: MessageShape,
    /// Of an encryption: who chooses the IVs.
    ivs: Option<Chooser>,
    message: Option<Message>,
}

/// A message in parts.
struct Message {
    params: MessageParams,
    aad: Vec<u8>,
    /// Collected: an encryption of the device is one command, and nothing is given out before its tag is verified.
    text: Zeroizing<Vec<u8>>,
    claim: Option<Claim>,
}

impl Begun for Ciphers {
    fn has_begun(&self) -> bool {
        self.message.is_some()
    }
}

/// The IVs of an encryption.
struct Chooser {
    generator: Generator,
    /// Where they are remembered, so that none is used twice.
    memory: Option<(Arc<Ivs>, KeyName)>,
    /// `CKA_AZIHSM_DEVICE_IV`.
    token_only: bool,
}

impl Chooser {
    fn new(library: &Library, shape: MessageShape, permitted: &Permitted) -> Result<Self> {
        let gcm = shape == MessageShape::Gcm;
        let watched = gcm && !library.config.allow_gcm_iv_reuse;
        let name = if watched { library.ivs.name(&permitted.key)? } else { None };
        Ok(Self {
            generator: Generator::default(),
            memory: name.map(|name| (Arc::clone(&library.ivs), name)),
            token_only: gcm && permitted.object.attributes.flag(AttributeType::AZIHSM_DEVICE_IV),
        })
    }

    /// Sees to it that the IV in `params` is one that may be used, by generating it where that is asked for.
    fn choose(&mut self, params: &mut MessageParams) -> Result<Option<Claim>> {
        if self.token_only && params.generator == CKG_NO_GENERATE {
            return Err(Code::MechanismParamInvalid.because("CKA_AZIHSM_DEVICE_IV: the token chooses the IV"));
        }
        let given = params.iv.clone();
        for _ in 0..MOST_TRIES {
            params.iv.clone_from(&given);
            self.generator.generate(params)?;
            let Some((ivs, name)) = &self.memory else { return Ok(None) };
            if let Some(claim) = ivs.claim(*name, &params.iv) {
                return Ok(Some(claim));
            }
            match params.generator {
                // The peer of a protocol counts along: there is no other IV.
                CKG_NO_GENERATE | CKG_GENERATE_COUNTER_XOR => break,
                // An earlier process of this key has counted here.
                CKG_GENERATE_COUNTER => {
                    if let Some(next) = ivs.next_unspent(*name, &params.iv) {
                        self.generator.skip_to(&next, params.fixed_bits);
                    }
                }
                _ => {}
            }
        }
        Err(reused())
    }

    /// A message was encrypted.
    fn spent(&self, claim: Option<Claim>, params: &MessageParams) {
        match (claim, &self.memory) {
            (Some(claim), _) => claim.spend(),
            (None, Some((ivs, name))) => ivs.spent(*name, &params.iv),
            (None, None) => {}
        }
    }
}

impl Ciphers {
    /// A whole message.
    fn message(&mut self, mut params: MessageParams, aad: &[u8], text: &[u8]) -> Result<Answer> {
        let claim = match &mut self.ivs {
            Some(ivs) if !self.op.chooses_iv(&params) => ivs.choose(&mut params)?,
            _ => None,
        };
        self.finish(Message { params, aad: aad.to_vec(), text: Zeroizing::default(), claim }, text)
    }

    /// The message that was collected, then `text`.
    fn finish(&mut self, message: Message, text: &[u8]) -> Result<Answer> {
        let Message { mut params, aad, text: mut collected, claim } = message;
        let text = if collected.is_empty() {
            text
        } else {
            grow(&mut collected, text);
            &collected
        };
        let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
        self.op.message(&mut params, &aad, text, &mut out)?;
        if let Some(ivs) = &self.ivs {
            ivs.spent(claim, &params);
        }
        Ok((Reply::Bytes(out), Some(params)))
    }

    /// A part of a message, which is put back where it goes on.
    fn part(
        &mut self,
        mut message: Message,
        params: Argument<MessageParams>,
        part: Argument<&[u8]>,
        room: Argument<Room>,
        last: Argument<bool>,
    ) -> Result<Answer> {
        let (params, part, room, last) = (params?, part?, room?, last?);
        self.check(&params)?;
        if params.tag.len() != message.params.tag.len() {
            return Err(Code::MechanismParamInvalid.because("a tag of another length than the message began with"));
        }
        let len = if last { message.text.len() + part.len() } else { 0 };
        if let Some(reply) = room.settled(len) {
            self.message = Some(message);
            return Ok((reply, None));
        }
        if last {
            message.params.tag = params.tag;
            return self.finish(message, part);
        }
        grow(&mut message.text, part);
        self.message = Some(message);
        Ok((Reply::Bytes(Zeroizing::default()), None))
    }

    /// Whether the structure is the mechanism's.
    fn check(&self, params: &MessageParams) -> Result<()> {
        if params.data_len.is_some() == (self.shape == MessageShape::Ccm) {
            return Ok(());
        }
        Err(Code::MechanismParamInvalid.because("the message parameter of another mechanism"))
    }
}

/// One message under a key that is for something else: an authenticated wrap or unwrap.
#[expect(clippy::too_many_arguments, reason = "what a message process is begun with, and its one message")]
pub(crate) fn once(
    library: &Library,
    row: &Row,
    start: MessageInit,
    permitted: &Permitted,
    encrypts: bool,
    params: MessageParams,
    aad: &[u8],
    text: &[u8],
) -> Result<Answer> {
    let op = start(&Params::None, &permitted.key)?;
    let shape = MessageShape::of(row.shape);
    let ivs = if encrypts { Some(Chooser::new(library, shape, permitted)?) } else { None };
    let mut run = Ciphers { op, shape, ivs, message: None };
    run.check(&params)?;
    run.message(params, aad, text)
}

pub(super) type Place = Option<Process<Ciphers>>;

/// `C_MessageEncryptInit`, `C_MessageDecryptInit` for a mechanism.
pub(super) fn init(
    library: &Library,
    session: &Session,
    place: &mut Place,
    mechanism: &Mechanism,
    key: ObjectHandle,
    purpose: Purpose,
) -> Result<()> {
    if place.is_some() {
        return Err(Code::OperationActive.into());
    }
    let encrypts = purpose == Purpose::Encrypt;
    let (row, start) = row(mechanism, |row| if encrypts { row.message_encrypt } else { row.message_decrypt })?;
    let permitted = permitted(session, key, row, purpose)?;
    let op = start(&Params::None, &permitted.key)?;
    let shape = MessageShape::of(row.shape);
    let ivs = if encrypts { Some(Chooser::new(library, shape, &permitted)?) } else { None };
    let run = Ciphers { op, shape, ivs, message: None };
    *place = Some(Process::new(run, &permitted));
    Ok(())
}

/// Which structure the messages of the process come with.
pub(super) fn shape(place: &Place) -> Result<MessageShape> {
    Ok(place.as_ref().ok_or(Code::OperationNotInitialized)?.run.shape)
}

/// A message in one part.
pub(super) fn whole(
    place: &mut Place,
    params: Argument<MessageParams>,
    aad: Argument<&[u8]>,
    text: Argument<&[u8]>,
    room: Argument<Room>,
) -> Result<Answer> {
    let process = Process::idle(place)?;
    let (params, aad, text, room) = (params?, aad?, text?, room?);
    process.run.check(&params)?;
    if let Some(reply) = room.settled(text.len()) {
        return Ok((reply, None));
    }
    let answer = process.run.message(params, aad, text);
    process.ended_one();
    answer
}

/// Begins a message in parts. What goes back is its IV, where that is known yet: a key whose only IVs are the device's has
/// it when the message is encrypted.
pub(super) fn begin(
    place: &mut Place,
    params: Argument<MessageParams>,
    aad: Argument<&[u8]>,
) -> Result<Option<MessageParams>> {
    let process = Process::idle(place)?;
    let (mut params, aad) = (params?, aad?.to_vec());
    process.run.check(&params)?;
    let Ciphers { op, ivs, message, .. } = &mut process.run;
    let later = op.own_ivs_only() && op.chooses_iv(&params);
    let claim = match ivs {
        Some(ivs) if !later => {
            let claim = ivs.choose(&mut params)?;
            params.generator = CKG_NO_GENERATE;
            claim
        }
        _ => None,
    };
    op.check(&params)?;
    let answer = (ivs.is_some() && !later).then(|| params.clone());
    *message = Some(Message { params, aad, text: Zeroizing::default(), claim });
    Ok(answer)
}

/// A part, `last` or not. Every failure ends the message.
pub(super) fn next(
    place: &mut Place,
    params: Argument<MessageParams>,
    part: Argument<&[u8]>,
    room: Argument<Room>,
    last: Argument<bool>,
) -> Result<Answer> {
    let process = Process::ready(place)?;
    let message = process.run.message.take().ok_or(Code::OperationNotInitialized)?;
    let answer = process.run.part(message, params, part, room, last);
    if !process.run.has_begun() {
        process.ended_one();
    }
    answer
}

/// Appends, by doubling, without leaving an old allocation's content behind.
fn grow(text: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    let need = text.len() + part.len();
    if need > text.capacity() {
        let mut bigger = Zeroizing::new(Vec::with_capacity(need.max(2 * text.capacity())));
        bigger.extend_from_slice(text);
        *text = bigger;
    }
    text.extend_from_slice(part);
}

/// A random IV that was used before is one in 2^56 at the most; a counter skips a whole run at a time.
const MOST_TRIES: usize = 100;
