/// A buffer that is filled, emptied and filled again without being zeroed each time: at gigabytes a second that would show.
#[derive(Debug, Default)]
pub(super) struct PlainBuffer {
    /// Everything from `used` on is left over from earlier.
    bytes: Vec<u8>,
    used: usize,
}

impl PlainBuffer {
    pub fn len(&self) -> usize {
        self.used
    }

    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Adds `length` bytes of arbitrary content and returns them; the caller writes every one.
    pub fn extend_stale(&mut self, length: usize) -> &mut [u8] {
        let begin = self.used;
        self.used += length;
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0);
        }
        &mut self.bytes[begin..self.used]
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.extend_stale(bytes.len()).copy_from_slice(bytes);
    }

    pub fn extend_zeros(&mut self, length: usize) {
        self.extend_stale(length).fill(0);
    }

    pub fn tail_mut(&mut self, begin: usize) -> &mut [u8] {
        &mut self.bytes[begin..self.used]
    }
}
