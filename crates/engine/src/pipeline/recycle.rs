use crossbeam_channel::{Receiver, Sender, bounded};

/// Hands buffers back from the sink to the workers: allocating a megabyte anew for each item would cost page faults.
#[derive(Debug, Clone)]
pub struct BufferPool {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
}

impl BufferPool {
    /// Makes a pool that keeps at most `capacity` idle buffers.
    pub fn new(capacity: usize) -> Self {
        let (give, take) = bounded(capacity.max(1));
        BufferPool { give, take }
    }

    /// Returns an empty buffer, a used one if there is any.
    pub fn take(&self) -> Vec<u8> {
        self.take.try_recv().unwrap_or_default()
    }

    /// Gives a buffer back; dropped when the pool is full.
    pub fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let _ = self.give.try_send(buffer);
    }
}
