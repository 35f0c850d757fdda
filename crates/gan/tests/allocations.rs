//! What a step asks the allocator for once everything has its place. Alone in its file: other tests would be counted too.

use std::alloc::System;

use gan::{Config, Trainer};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Maps, masks, packed filters and scratch stay where they are from the second step on. What comes and goes is batches of pictures on their way
/// between the networks, losses and augmentation, two dozen in all: as much as one and a half of the largest maps.
#[test]
fn a_step_after_the_first_allocates_batches_of_pictures_and_no_maps() {
    let config = Config::preset("c64").unwrap();
    let mut trainer = Trainer::new(config.clone(), 2).unwrap();
    let pixels: Vec<u8> = (0..config.batch * 64 * 64 * 3).map(|i| (i * 31 + i / 48 * 7) as u8).collect();
    let mut step = || {
        let region = Region::new(ALLOCATOR);
        trainer.step(&pixels, &[]).unwrap();
        region.change()
    };
    let (first, _, third) = (step(), step(), step());
    println!("the first step: {first:?}\nthe third: {third:?}");
    assert_eq!(third.bytes_allocated, third.bytes_deallocated, "the third step keeps something");
    let batch = 4 * pixels.len();
    assert!(third.bytes_allocated < 26 * batch, "{} batches of pictures", third.bytes_allocated / batch);
    assert!(first.bytes_allocated > 10 * third.bytes_allocated, "what the first step allocates is kept");
}
