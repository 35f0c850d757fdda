//! Which part of an archive is this process's: said by a flag, or by what runs it as one of many.

use std::fmt;
use std::str::FromStr;

/// One of several equal parts of the work.
///
/// ```
/// let part: archive::Part = "2/3".parse()?;
/// assert_eq!((part.index(), part.of()), (1, 3));
/// # Ok::<(), archive::PartError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    index: u64,
    of: u64,
}

/// A text or a variable that names no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PartError(String);

/// Variables that count from 0, and those that say how many there are, where there is one.
const VARIABLES: [(&str, Option<&str>); 3] = [
    ("JOB_COMPLETION_INDEX", None),
    ("AWS_BATCH_JOB_ARRAY_INDEX", None),
    ("CLOUD_RUN_TASK_INDEX", Some("CLOUD_RUN_TASK_COUNT")),
];

impl Default for Part {
    /// All of it.
    fn default() -> Self {
        Part { index: 0, of: 1 }
    }
}

impl Part {
    /// Part `index`, counted from 0, of `of`; none if there is no such part.
    pub fn new(index: u64, of: u64) -> Option<Self> {
        (index < of).then_some(Part { index, of })
    }

    /// Which one, counted from 0.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many there are.
    pub fn of(self) -> u64 {
        self.of
    }

    /// Whether the shard at this place of the whole is in it.
    pub fn has(self, place: u64) -> bool {
        place % self.of == self.index
    }

    /// What Slurm, Kubernetes, AWS Batch or Cloud Run say by the variables that they set for each task of an array; `parts` is
    /// their number where the variables do not tell it. None outside of an array.
    ///
    /// # Errors
    /// A variable is no number, does not fit the number of parts, or needs one that was not given.
    pub fn of_array(variable: impl Fn(&str) -> Option<String>, parts: Option<u64>) -> Result<Option<Self>, PartError> {
        let number = |name: &str| {
            let read = |text: String| {
                text.trim()
                    .parse::<u64>()
                    .map_err(|_| PartError(format!("{name} is {text:?}, which is no number; say --part I/N")))
            };
            variable(name).map(read).transpose()
        };
        if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
            let (first, step) = (number("SLURM_ARRAY_TASK_MIN")?, number("SLURM_ARRAY_TASK_STEP")?);
            let index = id.checked_sub(first.unwrap_or(0)).map(|index| index / step.unwrap_or(1).max(1));
            let of = parts.or(number("SLURM_ARRAY_TASK_COUNT")?);
            return told("SLURM_ARRAY_TASK_ID", id, index, of).map(Some);
        }
        for (name, count) in VARIABLES {
            if let Some(index) = number(name)? {
                let counted = count.map(number).transpose()?.flatten();
                return told(name, index, Some(index), parts.or(counted)).map(Some);
            }
        }
        match parts {
            Some(parts) if parts != 1 => Err(PartError(format!(
                "--parts {parts} needs a job array that says which part this is; say --part 1/{parts} instead"
            ))),
            _ => Ok(None),
        }
    }
}

fn told(name: &str, value: u64, index: Option<u64>, of: Option<u64>) -> Result<Part, PartError> {
    let of = of.ok_or_else(|| {
        PartError(format!(
            "{name} is {value}, but nothing says of how many; add --parts N, or --part 1/1 for everything"
        ))
    })?;
    index
        .and_then(|index| Part::new(index, of))
        .ok_or_else(|| PartError(format!("{name} is {value}, which is none of {of} parts; say --part I/N")))
}

/// Counted from 1, as it is read.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", u128::from(self.index) + 1, self.of)
    }
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let part = text
            .split_once('/')
            .and_then(|(one, of)| Part::new(one.parse::<u64>().ok()?.checked_sub(1)?, of.parse().ok()?));
        part.ok_or_else(|| PartError(format!("{text:?} is no part: write I/N with I from 1 to N, as in 1/16")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_array(variables: &[(&str, &str)], parts: Option<u64>) -> Result<Option<Part>, PartError> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Part::of_array(find, parts)
    }

    #[test]
    fn parts_share_every_place_once() {
        let parts: Vec<Part> = ["1/3", "2/3", "3/3"].iter().map(|text| text.parse().unwrap()).collect();
        for place in (0..50).chain([u64::MAX]) {
            assert_eq!(parts.iter().filter(|part| part.has(place)).count(), 1);
        }
        assert_eq!(parts[1].to_string(), "2/3");
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for bad in ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/3/5", "1/18446744073709551616"] {
            assert!(bad.parse::<Part>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_kind_of_array_is_understood() {
        let third = Part::new(2, 8);
        let slurm = [("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_MIN", "1"), ("SLURM_ARRAY_TASK_COUNT", "8")];
        assert_eq!(of_array(&slurm, None).unwrap(), third);
        let stepped = [("SLURM_ARRAY_TASK_ID", "20"), ("SLURM_ARRAY_TASK_STEP", "10"), ("SLURM_ARRAY_TASK_COUNT", "8")];
        assert_eq!(of_array(&stepped, None).unwrap(), third);
        assert_eq!(of_array(&[("JOB_COMPLETION_INDEX", "2")], Some(8)).unwrap(), third);
        assert_eq!(of_array(&[("AWS_BATCH_JOB_ARRAY_INDEX", "2")], Some(8)).unwrap(), third);
        let cloud_run = [("CLOUD_RUN_TASK_INDEX", "2"), ("CLOUD_RUN_TASK_COUNT", "8")];
        assert_eq!(of_array(&cloud_run, None).unwrap(), third);
        assert_eq!(of_array(&[], None).unwrap(), None);
    }

    #[test]
    fn an_array_that_does_not_add_up_is_an_error_and_never_everything() {
        for (variables, parts) in [
            (&[("JOB_COMPLETION_INDEX", "2")][..], None),
            (&[("JOB_COMPLETION_INDEX", "8")], Some(8)),
            (&[("JOB_COMPLETION_INDEX", "two")], Some(8)),
            (&[("SLURM_ARRAY_TASK_ID", "0"), ("SLURM_ARRAY_TASK_MIN", "1")], Some(8)),
            (&[], Some(8)),
        ] {
            assert!(of_array(variables, parts).is_err(), "{variables:?}");
        }
    }
}
