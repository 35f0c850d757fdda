use proptest::prelude::*;

use super::*;
use crate::testing::numbers;
use crate::{Isa, reference};

/// A factor as a slice, its stride, and whether it lies there transposed.
fn stored(rows: usize, columns: usize, gap: usize, transposed: bool, seed: u64) -> (Vec<f32>, usize, Vec<f32>) {
    let (lines, length) = if transposed { (columns, rows) } else { (rows, columns) };
    let stride = length + gap;
    let data = numbers(lines * stride, seed);
    let dense = (0..rows * columns)
        .map(|i| {
            let (row, column) = (i / columns, i % columns);
            if transposed { data[column * stride + row] } else { data[row * stride + column] }
        })
        .collect();
    (data, stride, dense)
}

fn view(data: &[f32], rows: usize, columns: usize, stride: usize, transposed: bool) -> Matrix<'_> {
    if transposed {
        Matrix::strided(data, columns, rows, stride).transposed()
    } else {
        Matrix::strided(data, rows, columns, stride)
    }
}

/// One product every way there is, on every instruction set and on one and three threads.
fn check([m, k, n]: [usize; 3], gap: usize, [a_turned, b_turned]: [bool; 2], update: Update) {
    let (a, a_stride, a_dense) = stored(m, k, gap, a_turned, 1);
    let (b, b_stride, b_dense) = stored(k, n, gap, b_turned, 2);
    let (a, b) = (view(&a, m, k, a_stride, a_turned), view(&b, k, n, b_stride, b_turned));
    let stride = n + gap;
    let before = numbers(m * stride, 3);
    let product_of = reference::matrix_product(&a_dense, &b_dense, [m, k, n]);
    for isa in Isa::available() {
        let mut first: Option<Vec<f32>> = None;
        for threads in [1, 3] {
            let crew = Crew::new(*isa, threads);
            for packed in [false, true] {
                let mut c = before.clone();
                let to = MatrixMut::strided(&mut c, m, n, stride);
                if packed {
                    product_packed(&crew, a, &Packed::new(&crew, b), to, update);
                } else {
                    product(&crew, a, b, to, update, &mut Scratch::default());
                }
                for (i, (&found, &old)) in c.iter().zip(&before).enumerate() {
                    let (row, column) = (i / stride, i % stride);
                    if column >= n {
                        assert_eq!(found.to_bits(), old.to_bits(), "{isa}: the gap was written to");
                        continue;
                    }
                    let added = if update == Update::Add { old } else { 0.0 };
                    let expected = product_of[row * n + column] + added;
                    let limit = 1e-5 * (k as f32).sqrt().max(1.0);
                    assert!(
                        (found - expected).abs() < limit,
                        "{isa} {m} {k} {n} at {row}, {column}: {found} {expected}"
                    );
                }
                let bits = |c: &[f32]| c.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                match &first {
                    None => first = Some(c),
                    Some(first) => assert_eq!(bits(first), bits(&c), "{isa} on {threads} threads"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 48 }))]
    #[test]
    fn products_equal_the_plain_sum(
        m in 1_usize..40, k in 1_usize..70, n in 1_usize..110, gap in 0_usize..4,
        turned in any::<[bool; 2]>(), add in any::<bool>(),
    ) {
        check([m, k, n], gap, turned, if add { Update::Add } else { Update::Replace });
    }
}

#[test]
fn single_rows_and_columns_and_sums_of_nothing() {
    for shape in [[1, 1, 1], [1, 50, 3], [50, 3, 1], [1, 3, 129], [5, 0, 7], [0, 3, 4], [3, 4, 0], [13, 1, 33]] {
        for turned in [[false, false], [true, false], [false, true], [true, true]] {
            for update in [Update::Replace, Update::Add] {
                check(shape, 1, turned, update);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn sums_and_columns_beyond_one_block() {
    for turned in [[false, false], [true, false], [false, true]] {
        check([37, 2 * DEPTH + 19, 70], 0, turned, Update::Replace);
        check([26, 33, PANEL * PANELS + 45], 3, turned, Update::Add);
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the program there")]
fn what_does_not_fit_is_refused() {
    let crew = Crew::alone(Isa::SCALAR);
    let data = [0.0; 12];
    let refused = |what: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(what)).is_err();
    let view =
        |rows, columns, stride| refused(&|| assert_eq!(Matrix::strided(&data, rows, columns, stride).rows(), rows));
    assert!(view(4, 4, 4) && view(2, 4, 3) && view(usize::MAX, 1, usize::MAX));
    assert!(!view(3, 4, 4) && !view(2, 5, 7));
    let times = |a: [usize; 2], b: [usize; 2], c: [usize; 2]| {
        let mut out = [0.0; 12];
        let (a, b) = (Matrix::new(&data, a[0], a[1]), Matrix::new(&data, b[0], b[1]));
        product(&crew, a, b, MatrixMut::new(&mut out, c[0], c[1]), Update::Replace, &mut Scratch::default());
    };
    assert!(refused(&|| times([2, 3], [4, 2], [2, 2])));
    assert!(refused(&|| times([2, 3], [3, 2], [2, 3])));
    assert!(!refused(&|| times([2, 3], [3, 2], [2, 2])));
}

#[test]
fn packed_matrices_are_read_back() {
    let crew = Crew::alone(Isa::SCALAR);
    for [rows, columns] in [[1, 1], [5, 33], [DEPTH + 3, 40], [2 * DEPTH, 32]] {
        let data = numbers(rows * columns, 1);
        assert_eq!(Packed::new(&crew, Matrix::new(&data, rows, columns)).unpack(), data);
        let turned = Packed::new(&crew, Matrix::new(&data, columns, rows).transposed());
        let again = Packed::new(&crew, Matrix::new(&turned.unpack(), rows, columns).transposed());
        assert_eq!(again.unpack(), data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 32 }))]
    #[test]
    fn products_in_f64_equal_the_plain_sum(
        m in 0_usize..60, k in 0_usize..300, n in 0_usize..40, gap in 0_usize..4, turned in any::<[bool; 2]>(),
    ) {
        let (a, a_stride, a_dense) = stored(m, k, gap, turned[0], 1);
        let (b, b_stride, b_dense) = stored(k, n, gap, turned[1], 2);
        let wide = |x: &[f32]| x.iter().map(|&v| f64::from(v) + 1e-9).collect::<Vec<f64>>();
        let (a, b, a_dense, b_dense) = (wide(&a), wide(&b), wide(&a_dense), wide(&b_dense));
        let view = |data, rows, columns, stride, turned| {
            if turned { Matrix::strided(data, columns, rows, stride).transposed() } else { Matrix::strided(data, rows, columns, stride) }
        };
        for isa in Isa::available() {
            let mut first: Option<Vec<f64>> = None;
            for threads in [1, 3] {
                let crew = Crew::new(*isa, threads);
                let mut c = vec![7.0; m * n];
                product_f64(&crew, view(&a, m, k, a_stride, turned[0]), view(&b, k, n, b_stride, turned[1]), &mut c);
                for (i, &found) in c.iter().enumerate() {
                    let expected: f64 = (0..k).map(|j| a_dense[i / n * k + j] * b_dense[j * n + i % n]).sum();
                    prop_assert!((found - expected).abs() < 1e-12 * (k as f64 + 1.0), "{isa}: {found} is not {expected}");
                }
                let bits = |c: &[f64]| c.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                if let Some(first) = &first {
                    prop_assert_eq!(bits(first), bits(&c));
                }
                first = Some(c);
            }
        }
    }
}
