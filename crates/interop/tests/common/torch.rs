//! Files as `torch.save` and safetensors write them, put together byte by byte.
#![allow(dead_code, reason = "every test file uses another part")]

use std::io::{Cursor, Write};

/// A value in a file.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Tensor(Vec<usize>, Vec<f32>),
    Dict(Vec<(String, Node)>),
}

/// `torch.save` of a dictionary: an archive of a pickle and a storage a tensor.
pub(crate) fn file(entries: &[(String, Node)]) -> Vec<u8> {
    let mut pickle = b"\x80\x02".to_vec();
    let mut storages = Vec::new();
    dict(entries, &mut pickle, &mut storages);
    pickle.push(b'.');
    let mut bytes = Vec::new();
    let mut archive = zip::ZipWriter::new(Cursor::new(&mut bytes));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut put = |name: String, content: &[u8]| {
        archive.start_file(name, stored).unwrap();
        archive.write_all(content).unwrap();
    };
    put("archive/data.pkl".into(), &pickle);
    for (key, values) in storages.iter().enumerate() {
        let content: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        put(format!("archive/data/{key}"), &content);
    }
    archive.finish().unwrap();
    bytes
}

fn dict(entries: &[(String, Node)], pickle: &mut Vec<u8>, storages: &mut Vec<Vec<f32>>) {
    pickle.extend(b"}(");
    for (name, node) in entries {
        text(name, pickle);
        match node {
            Node::Dict(inner) => dict(inner, pickle, storages),
            Node::Tensor(shape, values) => tensor(shape, values, pickle, storages),
        }
    }
    pickle.push(b'u');
}

/// `_rebuild_tensor_v2(('storage', FloatStorage, key, 'cpu', count), 0, shape, strides, False, OrderedDict())`.
fn tensor(shape: &[usize], values: &[f32], pickle: &mut Vec<u8>, storages: &mut Vec<Vec<f32>>) {
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage", pickle);
    pickle.extend(b"ctorch\nFloatStorage\n");
    text(&storages.len().to_string(), pickle);
    text("cpu", pickle);
    number(values.len(), pickle);
    pickle.extend(b"tQK\0");
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    for list in [shape, &strides] {
        pickle.push(b'(');
        for &n in list {
            number(n, pickle);
        }
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    storages.push(values.to_vec());
}

fn text(text: &str, pickle: &mut Vec<u8>) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.bytes());
}

fn number(number: usize, pickle: &mut Vec<u8>) {
    pickle.push(b'J');
    pickle.extend((number as i32).to_le_bytes());
}

/// A safetensors file of flat weights.
pub(crate) fn safetensors(entries: &[(String, Node)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, node) in entries {
        let Node::Tensor(shape, values) = node else { panic!("safetensors are flat") };
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let about = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.clone(), about);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}
