use super::{Cancel, PipelineError};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Says how wide a flow is.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Parallel workers, at least 1.
    pub jobs: usize,
    /// Items between producer and sink at any time, at least `jobs`: this bounds the memory.
    pub window: usize,
}

/// Runs items through parallel workers and hands their results to `sink` in the order in which `producer` made them.
///
/// `producer` runs on a thread of its own until it returns `None`; `make_worker` is called once on each worker's thread;
/// `sink` runs on the caller's thread. A ticket is taken before an item is produced and given back when the sink has
/// consumed its result, so never more than `window` items exist, and the oldest one is always being worked on: no deadlock.
///
/// # Errors
/// The first error of any part, in time; `Cancelled` when `cancel` was set; `WorkerPanicked` when a part panicked.
/// # Cancellation
/// Each part ends at its next item; no thread outlives the call.
pub fn run_ordered<T, R, E, W>(
    flow: Flow,
    cancel: &Cancel,
    mut producer: impl FnMut() -> Result<Option<T>, E> + Send,
    make_worker: impl Fn() -> Result<W, E> + Sync,
    mut sink: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    R: Send,
    W: FnMut(T) -> Result<R, E>,
    E: From<PipelineError> + Send,
{
    let jobs = flow.jobs.max(1);
    let window = flow.window.max(jobs);
    let (ticket_sender, tickets) = bounded::<()>(window);
    for _ in 0..window {
        // The channel was made for this many: sending can't block, and the receiver is alive.
        let _ = ticket_sender.send(());
    }
    let (item_sender, items) = bounded::<(u64, T)>(window);
    let (result_sender, results) = bounded::<Result<(u64, R), E>>(window + jobs + 1);

    thread::scope(|scope| {
        let producer_results = result_sender.clone();
        scope.spawn(move || {
            let outcome = guarded(|| produce(cancel, &tickets, &item_sender, &mut producer));
            if let Err(error) = outcome {
                let _ = producer_results.send(Err(error));
            }
        });
        for _ in 0..jobs {
            let (items, results, make_worker) = (items.clone(), result_sender.clone(), &make_worker);
            scope.spawn(move || {
                let outcome = guarded(|| work(&items, &results, make_worker));
                if let Err(error) = outcome {
                    let _ = results.send(Err(error));
                }
            });
        }
        // Ours must go, so that the channel closes when the last worker has ended. Dropping the receivers and the tickets
        // on return ends the other threads at their next item.
        drop((items, result_sender));
        consume(cancel, results, ticket_sender, &mut sink)
    })
}

fn produce<T, E: From<PipelineError>>(
    cancel: &Cancel,
    tickets: &Receiver<()>,
    items: &Sender<(u64, T)>,
    producer: &mut impl FnMut() -> Result<Option<T>, E>,
) -> Result<(), E> {
    let mut sequence = 0;
    while tickets.recv().is_ok() {
        cancel.check()?;
        let Some(item) = producer()? else { return Ok(()) };
        if items.send((sequence, item)).is_err() {
            return Ok(());
        }
        sequence += 1;
    }
    Ok(())
}

fn work<T, R, E, W>(
    items: &Receiver<(u64, T)>,
    results: &Sender<Result<(u64, R), E>>,
    make_worker: &impl Fn() -> Result<W, E>,
) -> Result<(), E>
where
    W: FnMut(T) -> Result<R, E>,
{
    let mut worker = make_worker()?;
    while let Ok((sequence, item)) = items.recv() {
        let result = worker(item)?;
        if results.send(Ok((sequence, result))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn consume<R, E: From<PipelineError>>(
    cancel: &Cancel,
    results: Receiver<Result<(u64, R), E>>,
    tickets: Sender<()>,
    sink: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for result in results {
        cancel.check()?;
        let (sequence, result) = result?;
        waiting.insert(sequence, result);
        while let Some(result) = waiting.remove(&next) {
            sink(result)?;
            next += 1;
            // The producer may have ended already; then nobody needs the ticket.
            let _ = tickets.try_send(());
        }
    }
    cancel.check()?;
    Ok(())
}

/// Turns a panic of one part into an error, so that the others end and nothing half-made is committed.
fn guarded<E: From<PipelineError>>(part: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    catch_unwind(AssertUnwindSafe(part)).unwrap_or_else(|panic| Err(PipelineError::from_panic(panic.as_ref()).into()))
}

impl PipelineError {
    fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let detail = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned());
        PipelineError::WorkerPanicked { detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const FLOW: Flow = Flow { jobs: 4, window: 8 };

    fn counted(to: u64) -> impl FnMut() -> Result<Option<u64>, PipelineError> + Send {
        let mut next = 0;
        move || {
            next += 1;
            Ok((next <= to).then_some(next))
        }
    }

    fn detail(error: PipelineError) -> String {
        match error {
            PipelineError::WorkerPanicked { detail } => detail,
            PipelineError::Cancelled {} => "cancelled".to_owned(),
        }
    }

    fn failure(text: &str) -> PipelineError {
        PipelineError::WorkerPanicked { detail: text.to_owned() }
    }

    #[test]
    fn results_arrive_in_order_though_workers_finish_out_of_order() {
        let mut seen = Vec::new();
        let worker = || {
            Ok(|item: u64| {
                if item.is_multiple_of(5) {
                    thread::sleep(Duration::from_micros(300));
                }
                Ok::<_, PipelineError>(item * 2)
            })
        };
        let sink = |result| {
            seen.push(result);
            Ok(())
        };
        run_ordered(FLOW, &Cancel::new(), counted(500), worker, sink).unwrap();
        assert_eq!(seen, (1..=500).map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn never_more_items_than_the_window_exist() {
        let alive = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let mut produced = 0;
        let producer = || {
            produced += 1;
            most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Ok::<_, PipelineError>((produced <= 300).then_some(produced))
        };
        let sink = |_| {
            thread::sleep(Duration::from_micros(50));
            alive.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        run_ordered(FLOW, &Cancel::new(), producer, || Ok(Ok), sink).unwrap();
        assert!(most.load(Ordering::SeqCst) <= FLOW.window + 1);
    }

    #[test]
    fn an_error_of_any_part_ends_the_flow_and_is_returned() {
        let from_worker = || Ok(|item| if item == 77 { Err(failure("worker")) } else { Ok(item) });
        let error = run_ordered(FLOW, &Cancel::new(), counted(10_000), from_worker, |_| Ok(())).unwrap_err();
        assert_eq!(detail(error), "worker");

        let from_sink = |item| if item == 77 { Err(failure("sink")) } else { Ok(()) };
        let error = run_ordered(FLOW, &Cancel::new(), counted(10_000), || Ok(Ok), from_sink).unwrap_err();
        assert_eq!(detail(error), "sink");

        let mut left = 10;
        let from_producer = || {
            left -= 1;
            if left == 0 { Err(failure("producer")) } else { Ok(Some(left)) }
        };
        let error = run_ordered(FLOW, &Cancel::new(), from_producer, || Ok(Ok), |_| Ok(())).unwrap_err();
        assert_eq!(detail(error), "producer");

        let no_worker = || Err::<fn(u64) -> Result<u64, PipelineError>, _>(failure("no worker"));
        let error = run_ordered(FLOW, &Cancel::new(), counted(10_000), no_worker, |_| Ok(())).unwrap_err();
        assert_eq!(detail(error), "no worker");
    }

    #[test]
    fn a_panic_of_a_worker_is_an_error_and_not_a_hang() {
        let worker = || Ok(|item: u64| if item == 30 { panic!("boom {item}") } else { Ok::<_, PipelineError>(item) });
        let error = run_ordered(FLOW, &Cancel::new(), counted(1_000), worker, |_| Ok(())).unwrap_err();
        assert_eq!(detail(error), "boom 30");
    }

    #[test]
    fn a_cancel_ends_the_flow() {
        let cancel = Cancel::new();
        let mut consumed = 0;
        let sink = |_| {
            consumed += 1;
            if consumed == 20 {
                cancel.cancel();
            }
            Ok(())
        };
        let error = run_ordered(FLOW, &cancel, counted(u64::MAX), || Ok(Ok), sink).unwrap_err();
        assert_eq!(detail(error), "cancelled");
        assert_eq!(consumed, 20);
    }
}
