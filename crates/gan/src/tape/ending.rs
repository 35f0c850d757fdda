//! What comes after a convolution of the generator where it is not the plain case: noise, activation, bound.

use kernels::train::{Element, Map};
use synth::Seed;

use super::draw::GAIN;
use super::resample::share;
use super::walk::Way;
use super::{Context, Id, Network, Op, Tape, Value};

/// Slope of the leaky ReLU below zero.
const SLOPE: f32 = 0.2;

/// Noise of a layer, before a strength that is learned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Noise<'a> {
    /// Normal numbers of a seed a picture.
    Drawn {
        seeds: &'a [Seed],
        /// The stream of those seeds that is this layer's.
        stream: u32,
    },
    /// The same numbers [height, width] in all pictures.
    Given(&'a [f32]),
}

/// The largest and smallest value there may be, as an element holds it.
fn bound<E: Element>(limit: Option<f32>) -> f32 {
    limit.map_or(f32::INFINITY, |limit| E::from_f32(limit).to_f32())
}

/// The inside of a picture with its border, row by row of `width` pixels, `c` numbers each.
fn rows<E>(picture: &[E], width: usize, c: usize) -> impl Iterator<Item = &[E]> {
    let pitch = (width + 2) * c;
    let inside = &picture[pitch..picture.len() - pitch];
    inside.chunks_exact(pitch).map(move |row| &row[c..row.len() - c])
}

/// The rows of a picture without its border, to be changed.
fn rows_mut<E>(picture: &mut [E], width: usize, c: usize) -> impl Iterator<Item = &mut [E]> {
    let pitch = (width + 2) * c;
    let end = picture.len() - pitch;
    picture[pitch..end].chunks_exact_mut(pitch).map(move |row| &mut row[c..pitch - c])
}

impl<E: Element> Tape<E> {
    /// `clamp(gain leaky_relu(x + strength noise))` of the convolution `layer`, whose strength is `layer.noise_strength`.
    pub(crate) fn activate(
        &mut self,
        context: Context<'_>,
        x: Id,
        layer: &str,
        noise: Option<Noise<'_>>,
        limit: Option<f32>,
    ) -> Id {
        let [n, h, w, c] = self.map(x).shape();
        let Context { cpu, net } = context;
        let real = net.layout.get(&format!("{layer}.weight")).shape[0];
        let strength = noise.map_or(0.0, |_| strength(net, layer));
        let noise = noise.map(|noise| {
            let mut values = self.pool.numbers(n * h * w);
            match noise {
                Noise::Drawn { seeds, stream } => {
                    share(cpu, values.chunks_exact_mut(h * w).zip(seeds), |(own, seed)| {
                        synth::latent::normal(*seed, stream, own);
                    });
                }
                Noise::Given(given) => values.chunks_exact_mut(h * w).for_each(|own| own.copy_from_slice(given)),
            }
            values
        });
        let mut y = self.pool.map([n, h, w, c]);
        let (stride, limit) = ((h + 2) * (w + 2) * c, bound::<E>(limit));
        let pictures = y.elements_mut().chunks_exact_mut(stride).zip(self.map(x).elements().chunks_exact(stride));
        share(cpu, pictures.enumerate(), |(picture, (to, from))| {
            let mut place = picture * h * w;
            for (to, from) in rows_mut(to, w, c).zip(rows(from, w, c)) {
                for (to, from) in to.chunks_exact_mut(c).zip(from.chunks_exact(c)) {
                    let lift = noise.as_ref().map_or(0.0, |noise| strength * noise[place]);
                    for (to, from) in to[..real].iter_mut().zip(from) {
                        let v = GAIN * (from.to_f32() + lift);
                        *to = E::from_f32(v.max(SLOPE * v).clamp(-limit, limit));
                    }
                    // Channels that only fill the block stay zero.
                    to[real..].fill(E::default());
                    place += 1;
                }
            }
        });
        self.push(Op::Activate { x, layer: layer.into(), noise, limit }, Value::Map(y), true)
    }

    pub(super) fn activate_back(
        &mut self,
        way: &mut Way<'_>,
        (own, x, layer): (Id, Id, &str),
        (noise, limit): (Option<&[f32]>, f32),
        back: &Map<E>,
    ) {
        let [n, h, w, c] = back.shape();
        let (mut dx, add) = self.take_map(x);
        let stride = (h + 2) * (w + 2) * c;
        let (mut sums, pictures) = (vec![0f64; n], way.walk.pictures.clone());
        let values = self.map(own).elements().chunks_exact(stride).zip(back.elements().chunks_exact(stride));
        let each = dx.elements_mut().chunks_exact_mut(stride).zip(values).zip(&mut sums).enumerate();
        share(way.cpu, each.skip(pictures.start).take(pictures.len()), |(picture, ((dx, (y, back)), sum))| {
            let mut place = picture * h * w;
            for ((dx, y), back) in rows_mut(dx, w, c).zip(rows(y, w, c)).zip(rows(back, w, c)) {
                for ((dx, y), back) in dx.chunks_exact_mut(c).zip(y.chunks_exact(c)).zip(back.chunks_exact(c)) {
                    let mut total = 0.0;
                    for ((dx, y), back) in dx.iter_mut().zip(y).zip(back) {
                        let y = y.to_f32();
                        let inside = if y > 0.0 { GAIN } else { SLOPE * GAIN };
                        let v = back.to_f32() * if y.abs() < limit { inside } else { 0.0 };
                        total += v;
                        *dx = E::from_f32(if add { dx.to_f32() + v } else { v });
                    }
                    *sum += noise.map_or(0.0, |noise| f64::from(total * noise[place]));
                    place += 1;
                }
            }
        });
        self.nodes[x.0].gradient = Some(Value::Map(dx));
        if way.walk.weights && noise.is_some() {
            let e = way.net.layout.get(&format!("{layer}.noise_strength"));
            let (at, gain) = (e.range.start, e.gain);
            way.net.gradient[at] += (gain * sums.iter().sum::<f64>()) as f32;
        }
    }
}

fn strength(net: &Network, layer: &str) -> f32 {
    let e = net.layout.get(&format!("{layer}.noise_strength"));
    net.weights[e.range.start] * e.gain as f32
}
