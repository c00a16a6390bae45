//! Draws in CmdStan's CSV: comments, a line of names such as `theta.1`, a line for each draw. One file is one chain.
//! Files are read line by line, and only the columns that are wanted are kept: a file may be larger than the memory.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};
use std::str;

use ndarray::Array2;
use thiserror::Error;

use crate::draws::{Draws, DrawsError, stan_name};

/// The longest line that is read, in bytes: the values of ten million quantities.
const LONGEST_LINE: u64 = 1 << 28;

/// The most values that are kept, which is 4 GiB of memory.
const MOST_VALUES: usize = 1 << 29;

/// Why a text holds no draws in CmdStan's CSV.
#[derive(Debug, Error)]
pub enum DrawsCsvError {
    /// The text cannot be read to its end.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is longer than any line of draws.
    #[error("line {line} is longer than {} MiB, the most that is read", LONGEST_LINE >> 20)]
    LongLine {
        /// The line, counted from 1.
        line: usize,
    },
    /// More values than the memory has space for.
    #[error("the quantities to read have more than {MOST_VALUES} values: thin the draws")]
    TooMany,
    /// There is no line of names, or no draw below it.
    #[error("it holds no draws")]
    Empty,
    /// The line of names cannot be read.
    #[error("line {line}: the names of the columns cannot be read")]
    Names {
        /// The line, counted from 1.
        line: usize,
    },
    /// A line is shorter or longer than the line of names.
    #[error("line {line} has {found} values for {expected} columns")]
    Width {
        /// The line, counted from 1.
        line: usize,
        /// How many values are there.
        found: usize,
        /// How many names there are.
        expected: usize,
    },
    /// A value is no number.
    #[error("line {line}: the value {value:?} of `{name}` is not a number")]
    Value {
        /// The line, counted from 1.
        line: usize,
        /// The column's name.
        name: String,
        /// The text that stands there.
        value: String,
    },
    /// The table is no draws.
    #[error(transparent)]
    Draws(#[from] DrawsError),
}

/// The draws of one CSV file.
#[derive(Debug)]
pub struct CsvDraws {
    /// The draws of the wanted quantities, one chain; without the sampler's own columns, whose names end in `__`.
    pub draws: Draws,
    /// The names of the quantities that were not wanted.
    pub unwanted: Vec<String>,
    /// Warm-up draws that were saved too, and are left out.
    pub warm_up: usize,
    /// Whether the first row was the mean of CmdStan's ADVI, which is no draw and is left out.
    pub mean_row: bool,
    /// Whether the last line was cut off (it lacks its line end), and is left out.
    pub cut_off: bool,
}

/// The draws in the text of a CSV file, of the quantities whose names (`theta[1]`) are `wanted`.
///
/// # Errors
/// When the text is no CSV of draws.
pub fn read(mut reader: impl BufRead, wanted: &dyn Fn(&str) -> bool) -> Result<CsvDraws, DrawsCsvError> {
    let mut columns: Option<Columns> = None;
    let mut values = Vec::new();
    let (mut rows, mut warm_up, mut variational, mut cut_off) = (0, 0, false, false);
    let mut buffer = Vec::new();
    for number in 1.. {
        buffer.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut buffer)? == 0 {
            break;
        }
        let terminated = buffer.ends_with(b"\n");
        if !terminated && buffer.len() as u64 == LONGEST_LINE {
            return Err(DrawsCsvError::LongLine { line: number });
        }
        let line = without_mark(&buffer, number).trim_ascii();
        if let Some(comment) = line.strip_prefix(b"#") {
            let comment = comment.trim_ascii();
            variational |= comment.starts_with(b"method = variational");
            // NUTS writes this after its warm-up: rows above it are there because the warm-up was saved.
            if comment.starts_with(b"Adaptation terminated") {
                warm_up += std::mem::take(&mut rows);
                values.clear();
            }
        } else if line.is_empty() {
            continue;
        } else if !terminated && columns.is_some() {
            cut_off = true;
        } else if let Some(columns) = &columns {
            columns.read_row(number, line, &mut values)?;
            rows += 1;
        } else {
            columns = Some(Columns::read(number, line, wanted)?);
        }
    }
    let columns = columns.ok_or(DrawsCsvError::Empty)?;
    let mean_row = variational && rows > 0;
    if mean_row {
        values.drain(..columns.kept.len());
        rows -= 1;
    }
    if rows == 0 {
        return Err(DrawsCsvError::Empty);
    }
    let names: Vec<String> = columns.kept.iter().map(|&column| columns.names[column].clone()).collect();
    let values = Array2::from_shape_vec((rows, names.len()), values).expect("every row has one value for each name");
    let draws = Draws::new(names, values, vec![rows])?;
    Ok(CsvDraws { draws, unwanted: columns.unwanted(), warm_up, mean_row, cut_off })
}

/// The line without the mark of UTF-8 that some programs on Windows write at the beginning of a file.
fn without_mark(line: &[u8], number: usize) -> &[u8] {
    if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
}

/// The line of names, and which columns are kept.
struct Columns {
    names: Vec<String>,
    kept: Vec<usize>,
}

impl Columns {
    fn read(number: usize, line: &[u8], wanted: &dyn Fn(&str) -> bool) -> Result<Self, DrawsCsvError> {
        // Names may be quoted: `"theta[1,2]"` holds a comma.
        let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(line);
        let mut record = csv::StringRecord::new();
        reader.read_record(&mut record).map_err(|_| DrawsCsvError::Names { line: number })?;
        if record.iter().any(|name| name.is_empty() || name.parse::<f64>().is_ok_and(f64::is_finite)) {
            return Err(DrawsCsvError::Names { line: number });
        }
        let names: Vec<String> =
            record.iter().map(|name| if is_quantity(name) { stan_name(name) } else { name.to_owned() }).collect();
        let kept = (0..names.len()).filter(|&column| is_quantity(&names[column]) && wanted(&names[column])).collect();
        Ok(Self { names, kept })
    }

    fn unwanted(&self) -> Vec<String> {
        let kept: HashSet<usize> = self.kept.iter().copied().collect();
        let others = self.names.iter().enumerate().filter(|(column, name)| !kept.contains(column) && is_quantity(name));
        others.map(|(_, name)| name.clone()).collect()
    }

    /// Appends the row's values of the columns that are kept.
    fn read_row(&self, number: usize, line: &[u8], values: &mut Vec<f64>) -> Result<(), DrawsCsvError> {
        if values.len() + self.kept.len() > MOST_VALUES {
            return Err(DrawsCsvError::TooMany);
        }
        let mut kept = self.kept.iter().peekable();
        let mut found = 0;
        for field in line.split(|&byte| byte == b',') {
            if kept.next_if(|&&column| column == found).is_some() {
                let field = field.trim_ascii();
                let value = str::from_utf8(field).ok().and_then(|field| field.parse().ok());
                values.push(value.ok_or_else(|| DrawsCsvError::Value {
                    line: number,
                    name: self.names[found].clone(),
                    value: shortened(field),
                })?);
            }
            found += 1;
        }
        let expected = self.names.len();
        if found == expected { Ok(()) } else { Err(DrawsCsvError::Width { line: number, found, expected }) }
    }
}

/// Whether a column is no sampler's own (`lp__`) and no chain's or draw's number (`.chain`, as R's package posterior
/// has it).
fn is_quantity(name: &str) -> bool {
    !name.ends_with("__") && !name.starts_with('.')
}

/// The beginning of what stands where a number should.
fn shortened(field: &[u8]) -> String {
    String::from_utf8_lossy(field).chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const NUTS: &str = "# model = m\n# method = sample (Default)\nlp__,accept_stat__,mu,theta.1,theta.2\n\
        # Adaptation terminated\n# Step size = 0.8\n-7.1,0.9,1.5,2,-3e-2\n-7.2,1,nan,inf,4\n# \n#  Elapsed Time: 0.1 seconds\n";

    fn parse(text: &[u8]) -> Result<CsvDraws, DrawsCsvError> {
        read(text, &|_| true)
    }

    fn message(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn comments_and_sampler_columns_are_left_aside() {
        let csv = parse(NUTS.as_bytes()).unwrap();
        assert_eq!(csv.draws.names(), ["mu", "theta[1]", "theta[2]"]);
        assert_eq!(csv.draws.values().row(0).to_vec(), [1.5, 2.0, -3e-2]);
        assert!(csv.draws.values()[[1, 0]].is_nan() && csv.draws.values()[[1, 1]] == f64::INFINITY);
        assert!(csv.warm_up == 0 && !csv.mean_row && !csv.cut_off);
    }

    #[test]
    fn windows_line_ends_change_nothing() {
        let csv = parse(NUTS.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(csv.draws.names(), ["mu", "theta[1]", "theta[2]"]);
        assert_eq!(csv.draws.len(), 2);
    }

    #[test]
    fn the_mark_of_utf_8_is_no_part_of_a_name() {
        assert_eq!(parse(b"\xef\xbb\xbfmu,tau\r\n1,2\r\n").unwrap().draws.names(), ["mu", "tau"]);
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let text = b".chain,lp__,a,b.1,b.2,c\n1,2,3,4,broken,6\n1,2,7,8,9,10\n";
        let csv = read(&text[..], &|name| matches!(name, "c" | "b[1]")).unwrap();
        assert_eq!(csv.draws.names(), ["b[1]", "c"]);
        assert_eq!(csv.draws.values(), array![[4.0, 6.0], [8.0, 10.0]]);
        assert_eq!(csv.unwanted, ["a", "b[2]"]);
        let nothing = read(&text[..], &|_| false).unwrap().draws;
        assert_eq!((nothing.len(), nothing.names().len()), (2, 0));
    }

    #[test]
    fn names_may_be_quoted_and_bracketed() {
        let csv = parse(b"\"mu\",\"Sigma[1,2]\",Sigma.2.1\n1,2,3\n").unwrap();
        assert_eq!(csv.draws.names(), ["mu", "Sigma[1,2]", "Sigma[2,1]"]);
        assert_eq!(csv.draws.values(), array![[1.0, 2.0, 3.0]]);
    }

    #[test]
    fn a_cut_off_last_line_is_left_out() {
        for cut in ["3,4", "3", "3,", "3,4,5"] {
            let csv = parse(format!("a,b\n1,2\n{cut}").as_bytes()).unwrap();
            assert!(csv.cut_off);
            assert_eq!(csv.draws.values(), array![[1.0, 2.0]]);
        }
        assert!(!parse(b"a,b\n1,2\n\n  ").unwrap().cut_off);
    }

    #[test]
    fn saved_warm_up_is_left_out() {
        let csv = parse(b"lp__,a\n-1,1\n-1,2\n# Adaptation terminated\n-1,3\n").unwrap();
        assert_eq!(csv.warm_up, 2);
        assert_eq!(csv.draws.values(), array![[3.0]]);
    }

    #[test]
    fn the_mean_that_opens_an_advi_file_is_no_draw() {
        let csv = parse(b"# method = variational\nlp__,a\n# Stepsize adaptation complete.\n0,9\n0,1\n0,2\n").unwrap();
        assert!(csv.mean_row);
        assert_eq!(csv.draws.values(), array![[1.0], [2.0]]);
    }

    #[test]
    fn errors_name_the_line() {
        for empty in ["", "# only a comment\n", "a,b\n", "a,b\n1,2", "# method = variational\na\n1\n"] {
            assert_eq!(message(empty), "it holds no draws");
        }
        assert_eq!(message("a,b\n1,2\n1\n1,2\n"), "line 3 has 1 values for 2 columns");
        assert_eq!(message("# c\na,b\n1,x\n"), "line 3: the value \"x\" of `b` is not a number");
        assert_eq!(message("1.5,2\n1,2\n"), "line 1: the names of the columns cannot be read");
        assert_eq!(message("a,a\n1,2\n"), "the name a appears twice");
    }
}
