//! Pickled values come back as what was pickled, whichever of Python's many ways of writing them was taken.

use interop::blob::Blob;
use interop::pickle::{Id, Limits, Pickle, Value, read};
use proptest::prelude::*;

/// A Python value.
#[derive(Clone, Debug, PartialEq)]
enum Python {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Python>),
    List(Vec<Python>),
    Dict(Vec<(Python, Python)>),
    /// A call of `module.name`.
    Call(String, Vec<Python>),
}

fn values() -> impl Strategy<Value = Python> {
    let leaf = prop_oneof![
        Just(Python::None),
        any::<bool>().prop_map(Python::Bool),
        any::<i64>().prop_map(Python::Int),
        (-300_i64..70_000).prop_map(Python::Int),
        (-1e300..1e300_f64).prop_map(Python::Float),
        "[a-zé_あ]{0,12}".prop_map(Python::Text),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Python::Bytes),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Python::Tuple),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Python::List),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Python::Dict),
            ("[a-z]{1,8}", prop::collection::vec(inner, 0..4)).prop_map(|(name, args)| Python::Call(name, args)),
        ]
    })
}

/// Writes a value with the instructions of a protocol.
fn write(value: &Python, protocol: u8, out: &mut Vec<u8>) {
    let each = |values: &[Python], out: &mut Vec<u8>| values.iter().for_each(|value| write(value, protocol, out));
    match value {
        Python::None => out.push(b'N'),
        Python::Bool(b) if protocol < 2 => out.extend(format!("I0{}\n", u8::from(*b)).bytes()),
        Python::Bool(b) => out.push(if *b { 0x88 } else { 0x89 }),
        Python::Int(n) if protocol == 0 => out.extend(format!("I{n}\n").bytes()),
        Python::Int(n) => match (u8::try_from(*n), u16::try_from(*n), i32::try_from(*n)) {
            (Ok(n), ..) => out.extend([b'K', n]),
            (_, Ok(n), _) => out.extend([&b"M"[..], &n.to_le_bytes()].concat()),
            (.., Ok(n)) => out.extend([&b"J"[..], &n.to_le_bytes()].concat()),
            _ if protocol < 2 => out.extend(format!("L{n}L\n").bytes()),
            _ => out.extend([&[0x8a, 8][..], &n.to_le_bytes()].concat()),
        },
        Python::Float(v) if protocol == 0 => out.extend(format!("F{v:?}\n").bytes()),
        Python::Float(v) => out.extend([&b"G"[..], &v.to_be_bytes()].concat()),
        Python::Text(text) if protocol == 0 => {
            out.push(b'V');
            text.encode_utf16().for_each(|unit| out.extend(format!("\\u{unit:04x}").bytes()));
            out.push(b'\n');
        }
        Python::Text(text) if protocol >= 4 => out.extend([&[0x8c, text.len() as u8], text.as_bytes()].concat()),
        Python::Text(text) => out.extend([&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()),
        Python::Bytes(bytes) if protocol == 0 => {
            out.extend(b"S'");
            for byte in bytes {
                out.extend(format!("\\x{byte:02x}").bytes());
            }
            out.extend(b"'\n");
        }
        Python::Bytes(bytes) if bytes.len() < 256 => out.extend([&[b'C', bytes.len() as u8], &bytes[..]].concat()),
        Python::Bytes(bytes) if protocol == 5 => {
            out.extend([&[0x96][..], &(bytes.len() as u64).to_le_bytes(), bytes].concat());
        }
        Python::Bytes(bytes) => out.extend([&b"B"[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()),
        Python::Tuple(values) if protocol >= 2 && (1..=3).contains(&values.len()) => {
            each(values, out);
            out.push(0x84 + values.len() as u8);
        }
        Python::Tuple(values) => {
            out.push(b'(');
            each(values, out);
            out.push(b't');
        }
        Python::List(values) if protocol == 0 => {
            out.push(b'(');
            each(values, out);
            out.push(b'l');
        }
        Python::List(values) => {
            out.extend(b"](");
            each(values, out);
            out.push(b'e');
        }
        Python::Dict(pairs) => {
            out.push(b'}');
            for (key, value) in pairs {
                each(&[key.clone(), value.clone()], out);
                out.push(b's');
            }
        }
        Python::Call(name, args) => {
            match protocol {
                0..=3 => out.extend(format!("cmodule\n{name}\n").bytes()),
                _ => out.extend([&b"\x8c\x06module\x8c"[..], &[name.len() as u8], name.as_bytes(), &[0x93]].concat()),
            }
            write(&Python::Tuple(args.clone()), protocol, out);
            out.push(b'R');
        }
    }
    if protocol >= 4 {
        out.push(0x94);
    }
}

/// The value at a place, as a tree.
fn tree(pickle: &Pickle, id: Id) -> Python {
    let each = |ids: &[Id]| ids.iter().map(|&id| tree(pickle, id)).collect();
    match pickle.get(id) {
        Value::None => Python::None,
        Value::Bool(b) => Python::Bool(*b),
        Value::Int(n) => Python::Int(*n),
        Value::Float(v) => Python::Float(*v),
        Value::Text(text) => Python::Text(text.to_string()),
        Value::Bytes(blob) => Python::Bytes(blob.bytes(1000).unwrap()),
        Value::Tuple(ids) => Python::Tuple(each(ids)),
        Value::List(ids) => Python::List(each(ids)),
        Value::Dict(pairs) => Python::Dict(pairs.iter().map(|&(k, v)| (tree(pickle, k), tree(pickle, v))).collect()),
        Value::Object(object) => {
            let (module, name) = pickle.class(object).unwrap();
            assert_eq!(module, "module");
            let Python::Tuple(args) = tree(pickle, object.args) else { panic!("arguments are a tuple") };
            Python::Call(name.into(), args)
        }
        other => panic!("{other:?} was never written"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_was_pickled_comes_back(value in values(), protocol in 0_u8..=5) {
        let mut bytes = if protocol >= 2 { vec![0x80, protocol] } else { Vec::new() };
        if protocol >= 4 {
            bytes.extend([0x95, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        write(&value, protocol, &mut bytes);
        bytes.push(b'.');
        let len = bytes.len() as u64;
        bytes.extend(b"what follows is left alone");
        let pickle = read(&Blob::from(bytes), Limits::default()).unwrap();
        prop_assert_eq!(tree(&pickle, pickle.root()), value);
        prop_assert_eq!(pickle.byte_len(), len);
    }
}
