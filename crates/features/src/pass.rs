//! Pictures through a network, and gradients back to them: one picture a thread at a time, so that the result does not
//! depend on how many threads there are.

use std::sync::Mutex;

use kernels::{Crew, nhwc};

use crate::conv::{Lane, grow};
use crate::graph::{Op, Plan};
use crate::{Error, Network, ops};

/// What a network gives at one tap for some pictures: `[pictures, height, width, channels]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// Rows of a picture's grid.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// The numbers, channels last.
    pub data: Vec<f32>,
}

impl Grid {
    /// Numbers of one picture.
    pub fn stride(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// How many pictures there are.
    pub fn pictures(&self) -> usize {
        self.data.len().checked_div(self.stride()).unwrap_or(0)
    }
}

/// Memory of passes through networks, kept from one to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    lanes: Vec<Mutex<Room>>,
    plan: Option<(String, Plan)>,
}

/// One thread's memory.
#[derive(Debug)]
struct Room {
    lane: Lane,
    /// Buffers that hold nothing at the moment.
    free: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
    gradients: Vec<Option<Vec<f32>>>,
}

/// Everything that pictures were turned into on their way through a network, which gradients need on their way back.
///
/// It takes as much memory as all of the network's grids together: [`Network::tape_bytes`] a picture.
#[derive(Debug, Default)]
pub struct Tape {
    size: [usize; 2],
    /// Hash of the network.
    network: String,
    /// [picture][value]
    pictures: Vec<Vec<Vec<f32>>>,
    /// Pictures of the last pass.
    count: usize,
}

impl Workspace {
    fn prepare(&mut self, network: &Network, crew: &Crew, size: [usize; 2]) -> Result<(&Plan, &[Mutex<Room>]), Error> {
        let isa = crew.isa();
        let room = || Mutex::new(Room { lane: Lane::new(isa), free: vec![], values: vec![], gradients: vec![] });
        self.lanes.resize_with(self.lanes.len().max(crew.threads()), room);
        let known = matches!(&self.plan, Some((hash, plan)) if hash == network.hash() && plan.size == size);
        if !known {
            self.plan = None;
        }
        let plan = match self.plan.take() {
            Some((_, plan)) => plan,
            None => network.plan_or_error(size)?,
        };
        let (_, plan) = self.plan.insert((network.hash().to_owned(), plan));
        Ok((plan, &self.lanes))
    }
}

impl Network {
    /// Values at the taps for planar `pictures` [n, 3, height, width] in -1..1 of `size` (height, width). `taps` becomes as
    /// long as the network has taps; its memory is used again.
    ///
    /// # Errors
    /// [`Error::Size`] if the network cannot take pictures of this size.
    ///
    /// # Panics
    /// If `pictures` are no whole pictures.
    pub fn taps(
        &self,
        crew: &Crew,
        workspace: &mut Workspace,
        pictures: &[f32],
        size: [usize; 2],
        taps: &mut Vec<Grid>,
    ) -> Result<(), Error> {
        let (plan, lanes) = workspace.prepare(self, crew, size)?;
        let parts = self.parts(plan, pictures, taps);
        crew.run(parts.len(), |thread, index| {
            let (mut room, mut outs) = (lock(&lanes[thread]), lock(&parts[index]));
            let Room { lane, free, values, .. } = &mut *room;
            values.resize_with(plan.shapes.len(), Vec::new);
            self.forward(plan, lane, Some(free), picture(pictures, size, index), values, &mut outs);
        });
        Ok(())
    }

    /// As [`Network::taps`], and keeps in `tape` what [`Network::gradient`] needs.
    ///
    /// # Errors
    /// As [`Network::taps`].
    ///
    /// # Panics
    /// As [`Network::taps`].
    pub fn record(
        &self,
        crew: &Crew,
        workspace: &mut Workspace,
        tape: &mut Tape,
        pictures: &[f32],
        size: [usize; 2],
        taps: &mut Vec<Grid>,
    ) -> Result<(), Error> {
        let (plan, lanes) = workspace.prepare(self, crew, size)?;
        let parts = self.parts(plan, pictures, taps);
        (tape.size, tape.network, tape.count) = (size, self.hash().to_owned(), parts.len());
        tape.pictures.resize_with(tape.pictures.len().max(parts.len()), Vec::new);
        let records: Vec<_> = tape.pictures.iter_mut().map(Mutex::new).collect();
        crew.run(parts.len(), |thread, index| {
            let (mut room, mut outs, mut values) = (lock(&lanes[thread]), lock(&parts[index]), lock(&records[index]));
            values.resize_with(plan.shapes.len(), Vec::new);
            self.forward(plan, &mut room.lane, None, picture(pictures, size, index), &mut values, &mut outs);
        });
        Ok(())
    }

    /// The gradient to the pictures that `tape` was recorded of, planar [n, 3, height, width], from gradients to the taps.
    ///
    /// # Errors
    /// [`Error::Size`] never, once the tape was recorded.
    ///
    /// # Panics
    /// If the tape is another network's, or `taps` or `gradient` are not of the tape's pictures.
    pub fn gradient(
        &self,
        crew: &Crew,
        workspace: &mut Workspace,
        tape: &Tape,
        taps: &[Grid],
        gradient: &mut [f32],
    ) -> Result<(), Error> {
        assert_eq!(tape.network, self.hash(), "the tape of another network");
        let size = tape.size;
        let (plan, lanes) = workspace.prepare(self, crew, size)?;
        assert_eq!(taps.len(), self.graph.taps.len(), "one gradient a tap");
        for (tap, &value) in taps.iter().zip(&self.graph.taps) {
            assert_eq!(tap.data.len(), tape.count * plan.len(value), "gradients of a tap");
        }
        assert_eq!(gradient.len(), tape.count * 3 * size[0] * size[1], "gradients of the pictures");
        let outs: Vec<_> = gradient.chunks_exact_mut(3 * size[0] * size[1]).map(Mutex::new).collect();
        crew.run(tape.count, |thread, index| {
            let (mut room, mut out) = (lock(&lanes[thread]), lock(&outs[index]));
            self.backward(plan, &mut room, &tape.pictures[index], (taps, index), &mut out);
        });
        Ok(())
    }

    /// Bytes of a [`Tape`] for one picture of `size` (height, width).
    ///
    /// # Errors
    /// [`Error::Size`] if the network cannot take pictures of this size.
    pub fn tape_bytes(&self, size: [usize; 2]) -> Result<usize, Error> {
        let plan = self.plan_or_error(size)?;
        Ok((0..plan.shapes.len()).map(|value| 4 * plan.len(value)).sum())
    }

    /// Gives `taps` the right shapes, and each picture's part of them.
    fn parts<'a>(&self, plan: &Plan, pictures: &[f32], taps: &'a mut Vec<Grid>) -> Vec<Mutex<Vec<&'a mut [f32]>>> {
        let each = 3 * plan.size[0] * plan.size[1];
        assert!(
            pictures.len().is_multiple_of(each),
            "{} numbers are no whole pictures of {:?}",
            pictures.len(),
            plan.size
        );
        let count = pictures.len() / each;
        taps.resize_with(self.graph.taps.len(), Grid::default);
        let mut parts: Vec<Vec<&mut [f32]>> = (0..count).map(|_| Vec::new()).collect();
        for (grid, &tap) in taps.iter_mut().zip(&self.graph.taps) {
            [grid.height, grid.width, grid.channels] = plan.shapes[tap];
            grid.data.resize(count * plan.len(tap), 0.0);
            let stride = grid.stride();
            parts.iter_mut().zip(grid.data.chunks_exact_mut(stride)).for_each(|(part, own)| part.push(own));
        }
        parts.into_iter().map(Mutex::new).collect()
    }

    /// Scale and shift of each colour from -1..1 to the network's own scale.
    fn scale(&self) -> [(f32, f32); 3] {
        let (mean, std) = (&self.graph.mean, &self.graph.std);
        std::array::from_fn(|c| ((0.5 / std[c]) as f32, ((0.5 - mean[c]) / std[c]) as f32))
    }

    /// One picture through the network. With `free`, values are given up after their last use.
    fn forward(
        &self,
        plan: &Plan,
        lane: &mut Lane,
        mut free: Option<&mut Vec<Vec<f32>>>,
        picture: &[f32],
        values: &mut [Vec<f32>],
        outs: &mut [&mut [f32]],
    ) {
        let area = picture.len() / 3;
        let mut first = taken(&mut values[0], free.as_deref_mut(), 3 * area);
        for (c, (scale, shift)) in self.scale().into_iter().enumerate() {
            let plane = &picture[c * area..][..area];
            first.chunks_exact_mut(3).zip(plane).for_each(|(pixel, &x)| pixel[c] = x * scale + shift);
        }
        values[0] = first;
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let mut y = taken(&mut values[i + 1], free.as_deref_mut(), plan.len(i + 1));
            self.apply(plan, lane, i, values, &mut y[..plan.len(i + 1)]);
            values[i + 1] = y;
            if let Some(free) = free.as_deref_mut() {
                for &j in &node.from {
                    if self.last_use[j] <= i {
                        free.extend(Some(std::mem::take(&mut values[j])).filter(|v| !v.is_empty()));
                    }
                }
            }
        }
        for (out, &tap) in outs.iter_mut().zip(&self.graph.taps) {
            out.copy_from_slice(&values[tap][..out.len()]);
        }
        if let Some(free) = free {
            free.extend(values.iter_mut().map(std::mem::take).filter(|v| !v.is_empty()));
        }
    }

    /// Operation `i`.
    fn apply(&self, plan: &Plan, lane: &mut Lane, i: usize, values: &[Vec<f32>], y: &mut [f32]) {
        let node = &self.graph.nodes[i];
        let input = |k: usize| &values[node.from[k]][..plan.len(node.from[k])];
        let channels = plan.shapes[i + 1][2];
        match (&node.op, &plan.windows[i], &self.convs[i]) {
            (Op::Conv { .. }, Some(windows), Some(conv)) => conv.forward(lane, windows, input(0), y),
            (Op::MaxPool { .. }, Some(windows), _) => nhwc::max_pool(lane.isa(), windows, channels, input(0), y),
            (Op::AvgPool { .. }, Some(windows), _) => ops::average_pool(windows, channels, input(0), y),
            (Op::Add, ..) => ops::sum(input(0), input(1), y),
            (Op::Concat, ..) => {
                let inputs: Vec<_> = (0..node.from.len()).map(|k| (input(k), plan.shapes[node.from[k]][2])).collect();
                ops::concat(&inputs, y);
            }
            (Op::Mean, ..) => ops::mean(input(0), y),
            _ => unreachable!("operations that have windows were planned with them"),
        }
    }

    /// The gradient to one picture.
    fn backward(
        &self,
        plan: &Plan,
        room: &mut Room,
        values: &[Vec<f32>],
        (taps, index): (&[Grid], usize),
        out: &mut [f32],
    ) {
        room.gradients.clear();
        room.gradients.resize_with(plan.shapes.len(), || None);
        for (tap, &value) in taps.iter().zip(&self.graph.taps) {
            let from = &tap.data[index * plan.len(value)..][..plan.len(value)];
            let to = room.gradient(value, plan.len(value));
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        for (i, node) in self.graph.nodes.iter().enumerate().rev() {
            let Some(mut buffer) = room.gradients[i + 1].take() else { continue };
            let dy = &mut buffer[..plan.len(i + 1)];
            let value = |j: usize| &values[j][..plan.len(j)];
            let mut first = 0;
            for &j in &node.from {
                let channels = plan.shapes[j][2];
                let mut taken = room.taken_gradient(j, plan.len(j));
                let dx = &mut taken[..plan.len(j)];
                match (&node.op, &plan.windows[i], &self.convs[i]) {
                    (Op::Conv { .. }, Some(windows), Some(conv)) => {
                        conv.backward(&mut room.lane, windows, value(i + 1), dy, dx);
                    }
                    (Op::MaxPool { .. }, Some(windows), _) => {
                        ops::max_pool_gradient(windows, value(j), value(i + 1), dy, dx);
                    }
                    (Op::AvgPool { .. }, Some(windows), _) => ops::average_pool_gradient(windows, channels, dy, dx),
                    (Op::Add, ..) => dx.iter_mut().zip(&*dy).for_each(|(dx, dy)| *dx += dy),
                    (Op::Concat, ..) => ops::concat_gradient(dy, plan.shapes[i + 1][2], first, channels, dx),
                    (Op::Mean, ..) => ops::mean_gradient(dy, dx),
                    _ => unreachable!("operations that have windows were planned with them"),
                }
                first += channels;
                room.gradients[j] = Some(taken);
                if !matches!(node.op, Op::Add | Op::Concat) {
                    break;
                }
            }
            room.free.push(buffer);
        }
        let area = out.len() / 3;
        let gradient = room.taken_gradient(0, 3 * area);
        for (c, (scale, _)) in self.scale().into_iter().enumerate() {
            let plane = &mut out[c * area..][..area];
            plane.iter_mut().zip(gradient.chunks_exact(3)).for_each(|(to, pixel)| *to = pixel[c] * scale);
        }
        room.free.push(gradient);
        room.free.extend(room.gradients.iter_mut().filter_map(Option::take));
    }
}

impl Room {
    /// The gradient to a value so far: zeros at first.
    fn gradient(&mut self, value: usize, len: usize) -> &mut [f32] {
        let taken = self.taken_gradient(value, len);
        &mut self.gradients[value].insert(taken)[..len]
    }

    fn taken_gradient(&mut self, value: usize, len: usize) -> Vec<f32> {
        self.gradients[value].take().unwrap_or_else(|| {
            let mut buffer = found(&mut self.free, len);
            buffer[..len].fill(0.0);
            buffer
        })
    }
}

/// A buffer of `len` numbers or more: the value's own, or one of the free ones.
fn taken(own: &mut Vec<f32>, free: Option<&mut Vec<Vec<f32>>>, len: usize) -> Vec<f32> {
    if let Some(free) = free {
        return found(free, len);
    }
    let mut buffer = std::mem::take(own);
    grow(&mut buffer, len);
    buffer
}

/// The smallest free buffer of `len` numbers, or the largest one, enlarged.
fn found(free: &mut Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    let fits = (0..free.len()).filter(|&i| free[i].len() >= len).min_by_key(|&i| free[i].len());
    let best = fits.or_else(|| (0..free.len()).max_by_key(|&i| free[i].len()));
    let mut buffer = best.map(|i| free.swap_remove(i)).unwrap_or_default();
    grow(&mut buffer, len);
    buffer
}

fn picture(pictures: &[f32], [height, width]: [usize; 2], index: usize) -> &[f32] {
    &pictures[index * 3 * height * width..][..3 * height * width]
}

/// Locks what no one else holds: each thread has its own room, each picture one thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
