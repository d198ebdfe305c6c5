use super::intake::Intake;
use super::lock::ReceiverLock;
use super::position::{Position, position, tidy_up};
use super::slot_care::SlotCare;
use super::stream::{Pause, Stream};
use super::timelines::Chain;
use super::{ReceiveEvent, ReceiveObserver, ReceiveOptions, ReceiveOutcome, StopWhen};
use crate::cluster::error::sqlstate;
use crate::cluster::{
    ClusterError, Connection, ConnectionSettings, ReplicationConnection, StreamEnd, SystemIdentification, slots,
};
use crate::wal::{SlotHealth, WalError};
use crate::{Cancel, Error};
use pgformat::wal::WalGeometry;
use pgformat::{Lsn, MajorVersion, TimelineId, WalSegment};
use std::time::{Duration, Instant};
use vault::repository::Repository;
use vault::wal::{WalArchive, WalContents, WalGap};

/// How often it is begun anew without having come further, before the reason counts as an error.
const FRUITLESS_LIMIT: u32 = 4;
/// How long a standby that was just started may take to replay what it had received before.
const STANDBY_PATIENCE: Duration = Duration::from_secs(60);
/// How often a standby is asked how far it is.
const STANDBY_INTERVAL: Duration = Duration::from_millis(500);

/// Streams WAL from the server into the archive until told to stop, the connection ends or an error comes up. Everything that
/// was acknowledged to the server is durable.
///
/// Takes the receiver's lock of the repository (`wal/receiver`), finds where the archive ends, makes the slot if need be,
/// archives history files, follows timelines, and notes gaps. Call it again, after a pause, when it failed with a connection's
/// error.
///
/// # Errors
/// Those of [`WalError`], `Cluster*`, `Wal*` of the archive. `Cancelled` is no error: the outcome is returned.
pub fn receive(
    settings: &ConnectionSettings,
    repository: &Repository,
    options: &ReceiveOptions,
    observer: &dyn ReceiveObserver,
    cancel: &Cancel,
) -> Result<ReceiveOutcome, Error> {
    let mut lock = ReceiverLock::take(repository, &options.slot)?;
    let mut run = Run {
        settings,
        repository,
        options,
        observer,
        cancel,
        slot: SlotCare::new(options, observer),
        target: None,
        segments: 0,
        gaps: Vec::new(),
    };
    let received = run.receive(&mut lock);
    lock.state.streaming_since = None;
    let noted = lock.write();
    match received {
        Err(error) if !error.is_cancelled() => return Err(error),
        _ => noted?,
    }
    let (timeline, durable_lsn) = (lock.state.timeline, lock.state.durable_lsn);
    Ok(ReceiveOutcome { timeline, durable_lsn, segments: run.segments, gaps: run.gaps })
}

/// One call of [`receive`].
struct Run<'a> {
    settings: &'a ConnectionSettings,
    repository: &'a Repository,
    options: &'a ReceiveOptions,
    observer: &'a dyn ReceiveObserver,
    cancel: &'a Cancel,
    slot: SlotCare<'a>,
    /// When to stop; known once the server has been asked.
    target: Option<(TimelineId, Lsn)>,
    segments: u64,
    gaps: Vec<WalGap>,
}

/// How a round ended.
enum Round {
    Stopped,
    /// Connect and begin anew; why, should it lead nowhere.
    Again(Error),
}

/// Where streaming begins.
#[derive(Clone, Copy)]
struct Start {
    timeline: TimelineId,
    /// A segment's start.
    lsn: Lsn,
    /// How far that segment is here already.
    durable_lsn: Lsn,
    /// Where WAL is here again, when this is a hole.
    goes_on_at: Option<Lsn>,
    /// Where the slot is.
    slot_lsn: Option<Lsn>,
}

impl Run<'_> {
    fn receive(&mut self, lock: &mut ReceiverLock) -> Result<(), Error> {
        let mut fruitless = 0;
        loop {
            let before = (lock.state.timeline, lock.state.durable_lsn, self.gaps.len());
            match self.round(lock)? {
                Round::Stopped => return Ok(()),
                Round::Again(_) if before != (lock.state.timeline, lock.state.durable_lsn, self.gaps.len()) => {
                    fruitless = 0;
                }
                Round::Again(error) => {
                    fruitless += 1;
                    if fruitless >= FRUITLESS_LIMIT {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Connects, streams, and cleans up what broke the stream off.
    fn round(&mut self, lock: &mut ReceiverLock) -> Result<Round, Error> {
        let cancel = self.cancel;
        let cancelled = || cancel.is_cancelled();
        let mut sql = Connection::connect_cancellable(self.settings, &cancelled)?;
        let mut wal = self.connect_for_replication(&cancelled)?;
        let identified = wal.identify_system(&cancelled)?;
        let archive = self.archive(&mut wal, identified, &cancelled)?;
        for segment in tidy_up(&archive, self.options.compression_level, self.options.jobs)? {
            self.count(segment, &archive);
        }
        self.target = self.target.or(match self.options.stop {
            StopWhen::Never => None,
            StopWhen::CaughtUp(Some(lsn)) => Some((TimelineId(0), lsn)),
            StopWhen::CaughtUp(None) => Some((identified.timeline, identified.flush_lsn)),
        });

        let contents = archive.contents()?;
        let resumes = contents.timelines.values().any(|timeline| !timeline.segments.is_empty());
        let chain = Chain::learn(&mut wal, &archive, identified.timeline, &cancelled)?;
        let here = self.newest_position(&archive, &contents, &chain, identified)?;
        let health = self.slot.prepare(&mut sql, resumes, &cancelled)?;
        let start = self.start(&archive, &chain, here, &health)?;
        if start.timeline == identified.timeline && start.durable_lsn > identified.flush_lsn {
            self.wait_for_server(&mut wal, &mut sql, start, &cancelled)?;
        }

        // What a receiver that was killed had begun to seal there.
        archive.sweep(WalSegment::containing(start.timeline, start.lsn, archive.geometry().segment_size))?;

        let mut sql = Some(sql);
        let mut at = start;
        let error = match self.stream(&mut wal, &mut sql, &archive, chain, &mut at, lock) {
            Ok(Pause::Stopped) => return Ok(Round::Stopped),
            Ok(_) => {
                let again = WalError::WalSlotLost { slot: self.options.slot.clone(), reason: "let go".to_owned() };
                return Ok(Round::Again(again.into()));
            }
            Err(error) => error,
        };
        if at.timeline != start.timeline || at.durable_lsn > start.durable_lsn {
            self.slot.works();
        }
        drop(wal);
        let Error::Cluster(ClusterError::ClusterSql { sqlstate: state, detail, .. }) = &error else {
            return Err(error);
        };
        let mut sql = match sql {
            Some(sql) => sql,
            None => Connection::connect_cancellable(self.settings, &cancelled)?,
        };
        match state.as_str() {
            sqlstate::UNDEFINED_FILE => {
                self.note_gap(&mut sql, &archive, at, &cancelled)?;
                Ok(Round::Again(error))
            }
            sqlstate::OBJECT_IN_USE => Err(self.slot.busy(&mut sql, &cancelled)),
            // Invalidated, or dropped, since we looked: the next round sees it.
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE | sqlstate::UNDEFINED_OBJECT => Ok(Round::Again(error)),
            sqlstate::INSUFFICIENT_PRIVILEGE
            | sqlstate::INVALID_AUTHORIZATION
            | sqlstate::CONFIGURATION_LIMIT_EXCEEDED => {
                Err(WalError::WalReplicationRefused { detail: detail.clone() }.into())
            }
            _ => Err(error),
        }
    }

    /// Connects; SQL works already, so that a failure is about replication alone.
    fn connect_for_replication(&self, cancelled: &dyn Fn() -> bool) -> Result<ReplicationConnection, Error> {
        match ReplicationConnection::connect(self.settings, cancelled) {
            Err(ClusterError::ClusterConnect { detail, .. }) => {
                // Unless the server went away in between.
                Connection::connect_cancellable(self.settings, cancelled)?;
                Err(WalError::WalReplicationRefused { detail }.into())
            }
            connected => Ok(connected?),
        }
    }

    fn archive(
        &self,
        wal: &mut ReplicationConnection,
        identified: SystemIdentification,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<WalArchive, Error> {
        let geometry = WalGeometry {
            version: MajorVersion::from_server_version_num(wal.server_version_num())?,
            system_identifier: identified.system_identifier,
            segment_size: wal.wal_segment_size(cancelled)?,
            block_size_bytes: wal.wal_block_size_bytes(cancelled)?,
        };
        Ok(WalArchive::open_for(self.repository, geometry, &self.options.tool_version)?)
    }

    /// Returns where the archive ends on the newest of the timelines that lead to the server's.
    fn newest_position(
        &self,
        archive: &WalArchive,
        contents: &WalContents,
        chain: &Chain,
        identified: SystemIdentification,
    ) -> Result<Option<Position>, Error> {
        let mut timelines: Vec<TimelineId> = contents.timelines.keys().copied().collect();
        timelines.extend(contents.gaps.iter().map(|gap| gap.timeline));
        timelines.sort_unstable();
        for timeline in timelines.into_iter().rev() {
            let newer = timeline > chain.current;
            if !newer && !chain.has(timeline) {
                continue;
            }
            let Some(found) = position(archive, contents, timeline)? else { continue };
            if newer {
                // It was set back to before a promotion that we followed.
                return Err(behind(timeline, identified.flush_lsn, found.valid_end));
            }
            return Ok(Some(found));
        }
        Ok(None)
    }

    /// Decides where to begin: where the archive ends, or else where the slot does.
    fn start(
        &self,
        archive: &WalArchive,
        chain: &Chain,
        here: Option<Position>,
        health: &SlotHealth,
    ) -> Result<Start, Error> {
        let size = archive.geometry().segment_size;
        let Some(here) = here else {
            let lsn = health.restart_lsn.unwrap_or(health.server_lsn);
            let lsn = WalSegment::containing(chain.current, lsn, size).start_lsn(size);
            return Ok(Start {
                timeline: chain.timeline_at(lsn),
                lsn,
                durable_lsn: lsn,
                goes_on_at: None,
                slot_lsn: health.restart_lsn,
            });
        };
        let mut start = Start {
            timeline: here.timeline,
            lsn: here.segment.start_lsn(size),
            durable_lsn: here.valid_end,
            goes_on_at: here.goes_on_at,
            slot_lsn: health.restart_lsn,
        };
        while let Some((switch_lsn, next)) = chain.switch(start.timeline)
            && start.durable_lsn >= switch_lsn
        {
            self.observer.event(ReceiveEvent::WalTimelineSwitched { from: start.timeline, to: next, lsn: switch_lsn });
            start = Start { slot_lsn: health.restart_lsn, ..self.start_of(archive, next, switch_lsn) };
        }
        Ok(start)
    }

    /// Returns the beginning of a timeline: its first segment has what came before the switch as well.
    fn start_of(&self, archive: &WalArchive, timeline: TimelineId, switch_lsn: Lsn) -> Start {
        let size = archive.geometry().segment_size;
        let lsn = WalSegment::containing(timeline, switch_lsn, size).start_lsn(size);
        Start { timeline, lsn, durable_lsn: lsn, goes_on_at: None, slot_lsn: None }
    }

    /// Waits for a standby that replays what it had received; a primary that is behind was set back.
    fn wait_for_server(
        &self,
        wal: &mut ReplicationConnection,
        sql: &mut Connection,
        start: Start,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + STANDBY_PATIENCE;
        loop {
            let identified = wal.identify_system(cancelled)?;
            if identified.flush_lsn >= start.durable_lsn || identified.timeline != start.timeline {
                return Ok(());
            }
            if Instant::now() >= deadline || !slots::in_recovery(sql)? {
                return Err(behind(start.timeline, identified.flush_lsn, start.durable_lsn));
            }
            self.cancel.check()?;
            std::thread::sleep(STANDBY_INTERVAL);
        }
    }

    /// Streams from timeline to timeline. `at` is how far it came, also after an error.
    fn stream(
        &mut self,
        wal: &mut ReplicationConnection,
        sql: &mut Option<Connection>,
        archive: &WalArchive,
        chain: Chain,
        at: &mut Start,
        lock: &mut ReceiverLock,
    ) -> Result<Pause, Error> {
        let cancel = self.cancel;
        let cancelled = || cancel.is_cancelled();
        let block_size_bytes = wal.relation_block_size_bytes(&cancelled)?;
        let mut intake = Intake::new(archive, self.options.compression_level, self.options.jobs, block_size_bytes)?;
        let outcome = self.stream_chain(wal, sql, archive, chain, at, &mut intake, lock, &cancelled);
        // What was received whole before an error is sealed all the same.
        let sealed = intake.finish();
        if let Ok(sealed) = &sealed {
            sealed.iter().for_each(|segment| self.count(*segment, archive));
        }
        lock.state.streaming_since = None;
        if intake.timeline() == at.timeline {
            at.durable_lsn = intake.durable();
        }
        outcome.and_then(|pause| sealed.map(|_| pause))
    }

    #[allow(clippy::too_many_arguments, reason = "what stream() has, apart so that it can clean up after every error")]
    fn stream_chain(
        &mut self,
        wal: &mut ReplicationConnection,
        sql: &mut Option<Connection>,
        archive: &WalArchive,
        mut chain: Chain,
        at: &mut Start,
        intake: &mut Intake,
        lock: &mut ReceiverLock,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Pause, Error> {
        let mut server_lsn = wal.identify_system(cancelled)?.flush_lsn;
        if !self.slot.is_bounded() {
            *sql = None;
        }
        loop {
            intake.begin(at.timeline, at.lsn, at.durable_lsn);
            let started = wal.start(self.slot.name(), at.lsn, at.timeline, cancelled)?;
            let ended = match started {
                Some(end) => end,
                None => {
                    self.note_streaming(lock, intake, server_lsn)?;
                    let mut stream = Stream {
                        wal: &mut *wal,
                        settings: self.settings,
                        sql: &mut *sql,
                        intake: &mut *intake,
                        slot: &mut self.slot,
                        lock: &mut *lock,
                        observer: self.observer,
                        cancel: self.cancel,
                        segment_size: archive.geometry().segment_size,
                        segments: &mut self.segments,
                        switch_lsn: chain.switch(at.timeline).map(|(switch_lsn, _)| switch_lsn),
                        target: self.target,
                        slot_lsn: at.slot_lsn,
                        server_lsn,
                    };
                    let pause = stream.run()?;
                    server_lsn = stream.server_lsn;
                    if pause != Pause::TimelineEnds {
                        return Ok(pause);
                    }
                    wal.end_stream(cancelled)?
                }
            };
            *at = self.switch(archive, intake, ended)?;
            let identified = wal.identify_system(cancelled)?;
            server_lsn = server_lsn.max(identified.flush_lsn);
            chain = Chain::learn(wal, archive, identified.timeline, cancelled)?;
        }
    }

    fn note_streaming(&self, lock: &mut ReceiverLock, intake: &Intake, server_lsn: Lsn) -> Result<(), Error> {
        let (timeline, lsn) = (intake.timeline(), intake.next());
        let state = &mut lock.state;
        (state.timeline, state.durable_lsn, state.server_lsn) = (timeline, intake.durable(), server_lsn);
        state.streaming_since.get_or_insert_with(jiff::Timestamp::now);
        lock.write()?;
        self.observer.event(ReceiveEvent::WalStreaming { timeline, lsn, slot: self.options.slot.clone() });
        Ok(())
    }

    /// Goes over to the next timeline.
    fn switch(&self, archive: &WalArchive, intake: &Intake, end: StreamEnd) -> Result<Start, Error> {
        let (from, to, lsn) = (intake.timeline(), end.next_timeline, end.switch_lsn);
        if to <= from || intake.next() < lsn {
            let detail = format!("timeline {from} ends at {lsn} and {to} follows, but the stream ended here");
            return Err(WalError::WalStreamInvalid { lsn: intake.next().to_string(), detail }.into());
        }
        self.observer.event(ReceiveEvent::WalTimelineSwitched { from, to, lsn });
        Ok(self.start_of(archive, to, lsn))
    }

    /// The server no longer has what comes next: notes what is lost, so that the next round goes on behind it.
    fn note_gap(
        &mut self,
        sql: &mut Connection,
        archive: &WalArchive,
        at: Start,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let size = archive.geometry().segment_size;
        let segment_start = |lsn: Lsn| WalSegment::containing(at.timeline, lsn, size).start_lsn(size);
        let from_lsn = at.durable_lsn;
        let missing = WalSegment::containing(at.timeline, from_lsn, size);
        let health = self.slot.renew_if_it_lost(sql, missing.start_lsn(size), cancelled)?;
        let available = slots::first_segment(sql, at.timeline, missing.next().start_lsn(size), size)?;
        let held = health.restart_lsn.map(segment_start);
        let next = [available, held].into_iter().flatten().filter(|lsn| *lsn > from_lsn).min();
        let switch_lsn = {
            let mut wal = self.connect_for_replication(cancelled)?;
            let current = wal.identify_system(cancelled)?.timeline;
            Chain::learn(&mut wal, archive, current, cancelled)?.switch(at.timeline).map(|(switch_lsn, _)| switch_lsn)
        };
        let to_lsn = match (next, switch_lsn) {
            (Some(next), Some(switch_lsn)) => Some(next.min(switch_lsn)),
            (next, switch_lsn) => next.or(switch_lsn),
        };
        let to_lsn =
            to_lsn.map(|to_lsn| at.goes_on_at.filter(|here| *here > from_lsn).map_or(to_lsn, |here| here.min(to_lsn)));
        let segment = missing.file_name(size);
        let Some(to_lsn) = to_lsn.filter(|to_lsn| *to_lsn > from_lsn) else {
            return Err(WalError::WalRemoved { segment }.into());
        };
        let cause = match &self.slot.trouble {
            Some(trouble) => serde_json::to_value(trouble),
            None => serde_json::to_value(WalError::WalRemoved { segment }),
        };
        let noticed_at = jiff::Timestamp::now();
        let gap = WalGap { timeline: at.timeline, from_lsn, to_lsn, noticed_at, cause: cause.unwrap_or_default() };
        archive.put_gap(&gap)?;
        self.observer.event(ReceiveEvent::WalGapFound { gap: gap.clone() });
        self.gaps.push(gap);
        Ok(())
    }

    fn count(&mut self, segment: WalSegment, archive: &WalArchive) {
        self.segments += 1;
        let segment = segment.file_name(archive.geometry().segment_size);
        self.observer.event(ReceiveEvent::WalSegmentArchived { segment });
    }
}

fn behind(timeline: TimelineId, server_lsn: Lsn, received_lsn: Lsn) -> Error {
    WalError::WalServerBehind {
        timeline: timeline.to_string(),
        server_lsn: server_lsn.to_string(),
        received_lsn: received_lsn.to_string(),
    }
    .into()
}
