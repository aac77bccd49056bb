//! Drives encryption and decryption, which have the same shape.

use super::{Active, Argument, CipherOp, Code, Reply, Result, Room, Unfit, Zeroizing};

/// One cipher's place in a session, and where an answer waits that did not fit.
pub(crate) struct Place<'a> {
    pub(crate) active: &'a mut Option<Active<dyn CipherOp>>,
    /// `None` for encryption, whose lengths are known before the work.
    pub(crate) unfit: Option<&'a mut Option<Unfit>>,
    /// Whether a bad input is told before a buffer that is too small: the work is done first.
    pub(crate) judges_first: bool,
}

impl Place<'_> {
    /// A message in one part.
    pub(crate) fn whole(mut self, data: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
        if let Some(reply) = self.waiting(data.as_ref().ok().copied(), &room) {
            return reply;
        }
        let active = Active::take_whole(self.active)?;
        let (data, room) = (data?, room?);
        let bound = active.run.final_len(data.len());
        if let Some(reply) = self.settled(&active, room, bound) {
            active.put_back(self.active);
            return Ok(reply);
        }
        let mut out = Zeroizing::new(Vec::with_capacity(bound));
        active.run.whole(data, &mut out)?;
        Ok(self.deliver(data, out, room))
    }

    /// A part.
    pub(crate) fn update(self, part: Argument<&[u8]>, room: Argument<Room>) -> Result<Reply> {
        self.update_with(part, room, |_| Ok(()))
    }

    /// A part, whose answer is given out only where `accept` takes it.
    pub(crate) fn update_with(
        self,
        part: Argument<&[u8]>,
        room: Argument<Room>,
        accept: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<Reply> {
        if let Some(unfit) = self.unfit {
            *unfit = None;
        }
        let mut active = Active::take_part(self.active)?;
        let (part, room) = (part?, room?);
        let bound = active.run.update_len(part.len());
        if let Some(reply) = room.settled(bound) {
            active.put_back(self.active);
            return Ok(reply);
        }
        let mut out = Zeroizing::new(Vec::with_capacity(bound));
        active.run.update(part, &mut out)?;
        accept(&out)?;
        active.go_on(self.active);
        Ok(Reply::Bytes(out))
    }

    /// The rest.
    pub(crate) fn finish(mut self, room: Argument<Room>) -> Result<Reply> {
        if let Some(reply) = self.waiting(Some(&[]), &room) {
            return reply;
        }
        let active = Active::take_part(self.active)?;
        let room = room?;
        let bound = active.run.final_len(0);
        if let Some(reply) = self.settled(&active, room, bound) {
            active.put_back(self.active);
            return Ok(reply);
        }
        let mut out = Zeroizing::new(Vec::with_capacity(bound));
        active.run.finish(&mut out)?;
        Ok(self.deliver(&[], out, room))
    }

    fn deliver(&mut self, input: &[u8], answer: Zeroizing<Vec<u8>>, room: Room) -> Reply {
        match room.settled(answer.len()) {
            None => Reply::Bytes(answer),
            Some(reply) => {
                if let Some(unfit) = &mut self.unfit {
                    **unfit = Some(Unfit { input: input.to_vec(), answer });
                }
                reply
            }
        }
    }

    /// The answer that waits, if there is one and the caller asks for it again.
    fn waiting(&mut self, input: Option<&[u8]>, room: &Argument<Room>) -> Option<Result<Reply>> {
        let place = self.unfit.as_deref_mut()?;
        let unfit = place.take()?;
        let room = match room {
            Ok(room) => *room,
            Err(error) => return Some(Err(error.clone())),
        };
        if input != Some(unfit.input.as_slice()) {
            return Some(Err(Code::ArgumentsBad.because("not the input whose answer did not fit")));
        }
        Some(Ok(match room.settled(unfit.answer.len()) {
            None => Reply::Bytes(unfit.answer),
            Some(reply) => {
                *place = Some(unfit);
                reply
            }
        }))
    }

    /// Where only a bound is known, a buffer below it is not too small yet.
    fn settled(&self, active: &Active<dyn CipherOp>, room: Room, bound: usize) -> Option<Reply> {
        match room {
            Room::Bytes(_) if self.judges_first || active.run.answer_is_padded() => None,
            _ => room.settled(bound),
        }
    }
}
