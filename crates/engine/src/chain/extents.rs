//! Where is each block of a layered file? Worked out layer by layer, the newest first, with memory for what the layers name
//! rather than for each block of the file: most files of most chains have one extent.

use std::ops::Range;

/// Consecutive blocks of a file that lie one behind the other in one archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first block, within the segment.
    pub block: u32,
    pub count: u32,
    /// Which of the file's layers.
    pub layer: u32,
    /// The first block's place among the blocks that the layer holds.
    pub position: u32,
}

/// Gathers extents, and knows which blocks are still looked for.
#[derive(Debug, Default)]
pub(super) struct ExtentBuilder {
    extents: Vec<Extent>,
    /// Blocks that no layer had so far and that older ones are asked for, ascending.
    wanted: Vec<Range<u32>>,
    next_wanted: Vec<Range<u32>>,
    layers: u32,
}

impl ExtentBuilder {
    /// Begins with the newest layer: all of its blocks are the file's; below `limit` older ones are asked for the others.
    pub fn new(numbers: &[u32], limit: u32) -> Self {
        let mut builder = ExtentBuilder { layers: 1, ..ExtentBuilder::default() };
        let mut next = 0;
        for (position, &number) in (0..).zip(numbers) {
            builder.push(number, 1, 0, position);
            builder.want(next, number.min(limit));
            next = number + 1;
        }
        builder.want(next, limit);
        std::mem::swap(&mut builder.wanted, &mut builder.next_wanted);
        builder
    }

    /// Tells whether all blocks have been found.
    pub fn is_done(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Takes what is wanted from the next older layer of changes. Behind its `limit` the file had been cut (or was no longer)
    /// when that layer was made: older blocks there are not the file's.
    pub fn add_changes(&mut self, numbers: &[u32], limit: u32) {
        let layer = self.layers;
        self.layers += 1;
        let wanted = std::mem::take(&mut self.wanted);
        self.next_wanted.clear();
        let mut place = 0;
        for range in &wanted {
            place += numbers[place..].partition_point(|number| *number < range.start);
            let mut next = range.start;
            while let Some(&number) = numbers.get(place).filter(|number| **number < range.end) {
                self.push(number, 1, layer, place as u32);
                self.want(next, number.min(limit));
                next = number + 1;
                place += 1;
            }
            self.want(next, range.end.min(limit));
        }
        self.wanted = std::mem::replace(&mut self.next_wanted, wanted);
    }

    /// Takes what is wanted from a whole file of `blocks` blocks, the last layer.
    pub fn add_whole(&mut self, blocks: u32) {
        let layer = self.layers;
        self.layers += 1;
        for range in std::mem::take(&mut self.wanted) {
            let end = range.end.min(blocks);
            if range.start < end {
                self.push(range.start, end - range.start, layer, range.start);
            }
        }
    }

    /// Returns the extents in the order of their blocks; what lies in none is zeros.
    pub fn finish(mut self) -> Vec<Extent> {
        self.extents.sort_unstable_by_key(|extent| extent.block);
        self.extents.shrink_to_fit();
        self.extents
    }

    fn want(&mut self, start: u32, end: u32) {
        if start < end {
            self.next_wanted.push(start..end);
        }
    }

    fn push(&mut self, block: u32, count: u32, layer: u32, position: u32) {
        if let Some(last) = self.extents.last_mut()
            && last.layer == layer
            && last.block + last.count == block
            && last.position + last.count == position
        {
            last.count += count;
            return;
        }
        self.extents.push(Extent { block, count, layer, position });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A layer of changes (block numbers and limit), or the length of a whole file.
    #[derive(Debug, Clone)]
    enum Layer {
        Changes(Vec<u32>, u32),
        Whole(u32),
    }

    fn any_layers() -> impl Strategy<Value = Vec<Layer>> {
        let changes = (proptest::collection::btree_set(0_u32..40, 0..30), 0_u32..41)
            .prop_map(|(numbers, limit)| Layer::Changes(numbers.into_iter().collect(), limit));
        (proptest::collection::vec(changes, 1..6), 0_u32..45).prop_map(|(mut layers, whole)| {
            layers.push(Layer::Whole(whole));
            layers
        })
    }

    /// Asks the layers for one block, as the rules are written down.
    fn naive(layers: &[Layer], block: u32) -> Option<(u32, u32)> {
        let mut below = u32::MAX;
        for (layer, found) in (0..).zip(layers) {
            match found {
                Layer::Changes(numbers, limit) => {
                    if let Ok(position) = numbers.binary_search(&block)
                        && (layer == 0 || block < below)
                    {
                        return Some((layer, position as u32));
                    }
                    below = below.min(*limit);
                }
                Layer::Whole(blocks) => return (block < below.min(*blocks)).then_some((layer, block)),
            }
        }
        None
    }

    fn built(layers: &[Layer]) -> Vec<Extent> {
        let Some((Layer::Changes(numbers, limit), older)) = layers.split_first() else { panic!("no changes") };
        let mut builder = ExtentBuilder::new(numbers, *limit);
        for layer in older {
            match layer {
                Layer::Changes(numbers, limit) => builder.add_changes(numbers, *limit),
                Layer::Whole(blocks) => builder.add_whole(*blocks),
            }
        }
        builder.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_block_comes_from_where_the_rules_say(layers in any_layers()) {
            let extents = built(&layers);
            let mut end = 0;
            for extent in &extents {
                prop_assert!(extent.count > 0 && extent.block >= end, "{extents:?}");
                end = extent.block + extent.count;
            }
            for block in 0..50 {
                let held = extents.iter().find(|extent| (extent.block..extent.block + extent.count).contains(&block));
                let found = held.map(|extent| (extent.layer, extent.position + block - extent.block));
                prop_assert_eq!(found, naive(&layers, block), "block {} of {:?}", block, extents);
            }
        }
    }

    #[test]
    fn an_unchanged_file_is_one_extent_of_the_whole_one() {
        let layers = [Layer::Changes(vec![], 100_000), Layer::Changes(vec![], 100_000), Layer::Whole(100_000)];
        assert_eq!(built(&layers), [Extent { block: 0, count: 100_000, layer: 2, position: 0 }]);
    }

    #[test]
    fn what_was_cut_off_in_between_does_not_come_back() {
        // Cut to 5 blocks, then grown to 10 without a trace in the log: blocks 5 to 9 are zeros, not the old ones.
        let layers = [Layer::Changes(vec![], 10), Layer::Changes(vec![2], 5), Layer::Whole(10)];
        let extents = built(&layers);
        assert_eq!(extents.last().map(|extent| extent.block + extent.count), Some(5));
    }
}
