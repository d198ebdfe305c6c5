//! How are frames decoded in parallel and looked at in order? Worker `w` decodes every `jobs`-th batch; the consumer asks
//! the workers in turn. Nothing needs to be reordered, and each worker is at most two batches ahead.

use crate::pipeline::PipelineError;
use crate::{Cancel, Error};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::ops::Range;
use vault::archive::{ArchiveError, ArchiveReader, FrameDecoder};

/// A batch ends with the frame that reaches this many plain bytes.
const BATCH_BYTES: u64 = 1 << 20;

/// One frame's bytes, or why there are none.
struct DecodedFrame {
    plain: Range<u64>,
    content: Result<Vec<u8>, ArchiveError>,
}

/// Decodes every frame with `jobs` workers, and gives each frame's plain range and content to `consume`, in order.
///
/// # Errors
/// `consume`'s; `Cancelled`.
pub(super) fn decode_in_order(
    reader: &ArchiveReader,
    jobs: usize,
    cancel: &Cancel,
    mut consume: impl FnMut(Range<u64>, Result<&[u8], ArchiveError>) -> Result<(), Error>,
) -> Result<(), Error> {
    let jobs = jobs.max(1);
    std::thread::scope(|scope| {
        let mut lanes = Vec::new();
        for worker in 0..jobs {
            let (sender, receiver) = bounded(1);
            let (give_back, spare) = bounded(64);
            scope.spawn(move || decode_lane(reader, worker, jobs, cancel, &sender, &spare));
            lanes.push((receiver, give_back));
        }
        let batches = batches(reader).count();
        for batch in 0..batches {
            cancel.check()?;
            let (receiver, give_back) = &lanes[batch % jobs];
            // A lane closes early only when its worker saw the cancellation or panicked.
            let frames: Vec<DecodedFrame> = receiver.recv().map_err(|_| match cancel.check() {
                Err(cancelled) => Error::from(cancelled),
                Ok(()) => PipelineError::WorkerPanicked { detail: "frame decoder".to_owned() }.into(),
            })?;
            for frame in frames {
                match frame.content {
                    Ok(content) => {
                        consume(frame.plain, Ok(&content))?;
                        // A full or closed lane only costs an allocation.
                        let _ = give_back.try_send(content);
                    }
                    Err(error) => consume(frame.plain, Err(error))?,
                }
            }
        }
        Ok(())
    })
}

/// Cuts the archive into batches of frames.
fn batches(reader: &ArchiveReader) -> impl Iterator<Item = Range<usize>> + '_ {
    let seek_table = reader.seek_table();
    let mut next = 0;
    std::iter::from_fn(move || {
        let first = next;
        if first >= seek_table.frame_count() {
            return None;
        }
        let start = seek_table.plain_range(first).start;
        while next < seek_table.frame_count() && seek_table.plain_range(next).start < start + BATCH_BYTES {
            next += 1;
        }
        Some(first..next)
    })
}

fn decode_lane(
    reader: &ArchiveReader,
    worker: usize,
    jobs: usize,
    cancel: &Cancel,
    sender: &Sender<Vec<DecodedFrame>>,
    spare: &Receiver<Vec<u8>>,
) {
    let mut scratch = Vec::new();
    let mut decoder = FrameDecoder::new();
    for batch in batches(reader).skip(worker).step_by(jobs) {
        let mut frames = Vec::with_capacity(batch.len());
        for frame in batch {
            if cancel.is_cancelled() {
                return;
            }
            let mut content = spare.try_recv().unwrap_or_default();
            let result = match &mut decoder {
                Ok(decoder) => reader.read_frame(frame, decoder, &mut scratch, &mut content),
                Err(error) => Err(ArchiveError::ArchiveCodec { detail: error.to_string() }),
            };
            frames.push(DecodedFrame {
                plain: reader.seek_table().plain_range(frame),
                content: result.map(|()| content),
            });
        }
        // The consumer is gone: it has its error.
        if sender.send(frames).is_err() {
            return;
        }
    }
}
