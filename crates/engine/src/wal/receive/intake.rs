//! Takes the bytes of a timeline, in order, checks them and makes them durable.

use super::sealing::Sealing;
use super::summarizing::Summarizing;
use crate::Error;
use crate::wal::WalError;
use pgformat::wal::SegmentSummarizer;
use pgformat::{FormatError, Lsn, TimelineId, WalSegment};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use vault::wal::{PartialSegment, SegmentForm, SegmentSealer, WalArchive, WalArchiveError};

/// Where the bytes go.
pub(super) struct Intake {
    archive: WalArchive,
    level: i32,
    jobs: usize,
    sealing: Sealing,
    summarizing: Summarizing,
    timeline: TimelineId,
    /// Where this timeline's stream began.
    start: Lsn,
    /// The byte that comes next.
    next: Lsn,
    /// Everything before it is durable. It may be ahead of `next`: what is here already is received again, and compared.
    durable: Lsn,
    current: Option<Current>,
    /// Whole, and on their way to be durable; the end of each. Only then does it count.
    publishing: VecDeque<(WalSegment, Lsn)>,
    /// Sealed, and not told yet.
    sealed: Vec<WalSegment>,
    /// How long to gather between two syncs of a partial segment, where each writes all of it again.
    pause: Option<Duration>,
    synced: Instant,
}

/// The segment that is being received.
enum Current {
    /// The server has all of it: it goes straight into its sealed file. Nothing of it counts before it is whole.
    Bulk {
        segment: WalSegment,
        sealer: Box<SegmentSealer>,
        had_partial: bool,
    },
    Live(Box<Live>),
}

/// A segment that grows in its partial file.
struct Live {
    segment: WalSegment,
    partial: PartialSegment,
    summarizer: SegmentSummarizer,
    /// What is in the file before it is known to be right, and must come again as it is.
    known_end: Lsn,
    dirty: bool,
}

impl Intake {
    pub(super) fn new(archive: &WalArchive, level: i32, jobs: usize, block_size_bytes: u32) -> Result<Self, Error> {
        Ok(Intake {
            sealing: Sealing::start(archive, level, jobs)?,
            summarizing: Summarizing::start(archive, block_size_bytes)?,
            archive: archive.clone(),
            level,
            jobs,
            timeline: TimelineId(0),
            start: Lsn(0),
            next: Lsn(0),
            durable: Lsn(0),
            current: None,
            publishing: VecDeque::new(),
            sealed: Vec::new(),
            pause: archive.sync_pause(),
            synced: Instant::now(),
        })
    }

    /// Begins anew at a segment's start. `durable` is how far that segment is here already.
    pub(super) fn begin(&mut self, timeline: TimelineId, start: Lsn, durable: Lsn) {
        self.current = None;
        self.timeline = timeline;
        (self.start, self.next) = (start, start);
        self.durable = durable.max(start);
        self.summarizing.begin(timeline);
    }

    pub(super) fn timeline(&self) -> TimelineId {
        self.timeline
    }
    pub(super) fn next(&self) -> Lsn {
        self.next
    }
    pub(super) fn durable(&self) -> Lsn {
        self.durable
    }
    /// Tells whether anything came since this timeline's stream began.
    pub(super) fn has_begun(&self) -> bool {
        self.next > self.start
    }
    /// Returns what the server may be told: durable, and seen again since this connection began.
    pub(super) fn acknowledged(&self) -> Lsn {
        self.durable.min(self.next)
    }

    /// Takes the next bytes. `available` is how far the server's WAL of this timeline goes.
    ///
    /// # Errors
    /// `WalStreamInvalid`; those of the archive.
    pub(super) fn take(&mut self, lsn: Lsn, bytes: &[u8], available: Lsn) -> Result<(), Error> {
        if lsn != self.next {
            return Err(invalid(lsn, format!("{} was to come", self.next)));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let segment = WalSegment::containing(self.timeline, self.next, self.archive.geometry().segment_size);
            let end = segment.end_lsn(self.archive.geometry().segment_size);
            let mut current = match self.current.take() {
                Some(current) => current,
                None => self.begin_segment(segment, end, available)?,
            };
            let room = usize::try_from(end.0 - self.next.0).unwrap_or(usize::MAX);
            let (piece, after) = rest.split_at(rest.len().min(room));
            match &mut current {
                Current::Bulk { sealer, .. } => sealer.write(piece).map_err(|error| refused(self.next, error))?,
                Current::Live(live) => live.take(self.next, piece)?,
            }
            self.summarizing.take(self.next, piece);
            self.next = Lsn(self.next.0 + piece.len() as u64);
            rest = after;
            if self.next == end {
                self.complete(current, end)?;
            } else {
                self.current = Some(current);
            }
        }
        Ok(())
    }

    /// Makes everything durable that can be: the whole of a live segment's bytes so far. What is compressed on the way and whole
    /// becomes durable by itself; with `waits`, that is waited for. In a storage where it costs much, a live segment is gathered for
    /// a while, unless it is the `last` time before a pause.
    ///
    /// # Errors
    /// Those of the archive.
    pub(super) fn sync(&mut self, waits: bool, last: bool) -> Result<(), Error> {
        if waits {
            self.wait_for_publishing()?;
        } else {
            self.take_done()?;
        }
        if let Some(Current::Live(live)) = &mut self.current {
            if live.dirty {
                if !last && self.pause.is_some_and(|pause| self.synced.elapsed() < pause) {
                    return Ok(());
                }
                live.partial.sync()?;
                live.dirty = false;
                self.synced = Instant::now();
            }
            self.durable = self.durable.max(self.next);
        }
        Ok(())
    }

    /// Returns the segments that were sealed since it was last asked.
    ///
    /// # Errors
    /// What kept one from being sealed.
    pub(super) fn sealed(&mut self) -> Result<Vec<WalSegment>, Error> {
        self.take_done()?;
        Ok(std::mem::take(&mut self.sealed))
    }

    /// Waits until what is whole is sealed, and ends.
    ///
    /// # Errors
    /// What kept one from being sealed.
    pub(super) fn finish(&mut self) -> Result<Vec<WalSegment>, Error> {
        let sealed = self.sealing.finish()?;
        sealed.into_iter().for_each(|segment| self.done(segment));
        Ok(std::mem::take(&mut self.sealed))
    }

    fn take_done(&mut self) -> Result<(), Error> {
        let sealed = self.sealing.sealed()?;
        sealed.into_iter().for_each(|segment| self.done(segment));
        Ok(())
    }

    fn wait_for_publishing(&mut self) -> Result<(), Error> {
        while !self.publishing.is_empty() {
            let segment = self.sealing.wait()?;
            self.done(segment);
        }
        Ok(())
    }

    /// They are done in the order in which they came.
    fn done(&mut self, segment: WalSegment) {
        if let Some((published, end)) = self.publishing.front().copied()
            && published == segment
        {
            self.publishing.pop_front();
            self.durable = self.durable.max(end);
        }
        self.sealed.push(segment);
    }

    fn begin_segment(&mut self, segment: WalSegment, end: Lsn, available: Lsn) -> Result<Current, Error> {
        let partial_is_there = self.archive.find(segment)?.is_some_and(|found| found.form == SegmentForm::Partial);
        let all_is_there = available >= end;
        if all_is_there && !partial_is_there {
            return self.bulk(segment, false);
        }
        // What is durable of this one must not count before what comes before it is.
        self.wait_for_publishing()?;
        let mut partial = self.archive.open_partial(segment)?;
        let known_end = partial.valid_end()?.min(partial.file_end());
        if all_is_there && known_end == self.next {
            return self.bulk(segment, true);
        }
        // A receiver that was killed may have written this without making it durable.
        partial.sync()?;
        self.durable = self.durable.max(known_end);
        let summarizer = SegmentSummarizer::new(*self.archive.geometry(), segment);
        Ok(Current::Live(Box::new(Live { segment, partial, summarizer, known_end, dirty: false })))
    }

    fn bulk(&self, segment: WalSegment, had_partial: bool) -> Result<Current, Error> {
        let sealer = Box::new(self.archive.seal(segment, self.level, self.jobs)?);
        Ok(Current::Bulk { segment, sealer, had_partial })
    }

    fn complete(&mut self, current: Current, end: Lsn) -> Result<(), Error> {
        match current {
            Current::Bulk { segment, sealer, had_partial } => {
                self.publishing.push_back((segment, end));
                self.sealing.publish(segment, sealer.complete()?, had_partial)?;
            }
            Current::Live(mut live) => {
                live.partial.sync()?;
                let segment = live.segment;
                drop(live);
                self.sealing.submit(segment)?;
                if self.archive.can_read_back() {
                    self.durable = end;
                } else {
                    // Without an identity nobody could seal it after a crash: the server has to keep it until it is sealed.
                    self.publishing.push_back((segment, end));
                }
            }
        }
        Ok(())
    }
}

impl Live {
    fn take(&mut self, lsn: Lsn, bytes: &[u8]) -> Result<(), Error> {
        let known = usize::try_from(self.known_end.0.saturating_sub(lsn.0)).unwrap_or(usize::MAX).min(bytes.len());
        if known > 0 {
            let mut there = vec![0; known];
            self.partial.read_range(lsn, &mut there)?;
            if let Some(at) = there.iter().zip(bytes).position(|(there, new)| there != new) {
                let at = Lsn(lsn.0 + at as u64);
                return Err(invalid(at, "it differs from what this server sent before".to_owned()));
            }
        }
        let fed = self.summarizer.feed::<FormatError>(bytes, &mut |_, _| Ok(()));
        fed.map_err(|error| invalid(self.summarizer.decoder().position(), error.to_string()))?;
        if known < bytes.len() {
            self.partial.write(Lsn(lsn.0 + known as u64), &bytes[known..])?;
            self.dirty = true;
        }
        Ok(())
    }
}

fn invalid(lsn: Lsn, detail: String) -> Error {
    WalError::WalStreamInvalid { lsn: lsn.to_string(), detail }.into()
}

/// What the archive takes for no WAL came from the server.
fn refused(lsn: Lsn, error: WalArchiveError) -> Error {
    match error {
        WalArchiveError::WalInvalid { detail, .. } => invalid(lsn, detail),
        other => other.into(),
    }
}
