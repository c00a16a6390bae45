//! The data of an instant model: a JSON object with one member more, which holds the program.

/// Stan's arrays have far fewer dimensions, and parsers that recurse overflow the stack at some depth. The same limit as
/// that of `bridge/json.hpp`.
const MAX_NESTING: usize = 100;

/// Numbers as CmdStan's JSON may write them, which other parsers take as strings only.
const NOT_FINITE: [&str; 6] = ["NaN", "-NaN", "Inf", "-Inf", "Infinity", "-Infinity"];

/// The object `data` (an empty text for one without members) with the member `"key": value` added, and its bare
/// [`NOT_FINITE`] numbers in quotes.
///
/// # Errors
/// Where the text is not one object or is nested too deeply, as a sentence. What is wrong inside of it is left for a
/// parser to say.
pub(super) fn with_member(data: &str, key: &str, value: &serde_json::Value) -> Result<String, String> {
    let data = if data.trim().is_empty() { "{}" } else { data.trim() };
    let inside = data.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inside = inside.ok_or("they are no JSON object")?;
    let member = format!("{}:{value}", serde_json::Value::from(key));
    let mut whole = String::with_capacity(data.len() + member.len() + 2);
    whole.push('{');
    copy_quoted(inside, &mut whole)?;
    whole.push_str(if inside.trim().is_empty() { "" } else { "," });
    whole.push_str(&member);
    whole.push('}');
    Ok(whole)
}

/// Appends the members `inside` of an object to `whole`.
fn copy_quoted(inside: &str, whole: &mut String) -> Result<(), String> {
    let mut depth = 1_usize;
    let mut rest = inside;
    while let Some(start) = rest.find(|c: char| "\"[]{}-".contains(c) || c.is_ascii_alphabetic()) {
        whole.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = match rest.as_bytes()[0] {
            b'"' => string_length(rest),
            b'[' | b'{' => {
                depth += 1;
                1
            }
            b']' | b'}' => {
                depth -= 1;
                1
            }
            // A number's sign, or a word.
            _ => 1 + rest[1..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - 1),
        };
        if depth > MAX_NESTING {
            return Err(format!("the JSON is nested more than {MAX_NESTING} deep"));
        }
        if depth == 0 {
            return Err("they are no JSON object".to_owned());
        }
        let (token, after) = rest.split_at(length);
        let quote = if NOT_FINITE.contains(&token) { "\"" } else { "" };
        whole.extend([quote, token, quote]);
        rest = after;
    }
    whole.push_str(rest);
    Ok(())
}

/// The length in bytes of the string that `text` begins with, quotes included; all of it where the string does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(data: &str) -> Value {
        serde_json::from_str(&with_member(data, "__program", &json!({"name": "a \"b\""})).unwrap()).unwrap()
    }

    #[test]
    fn the_member_is_added_to_any_object() {
        let program = json!({"name": "a \"b\""});
        for empty in ["", " \n", "{}", " { } \n"] {
            assert_eq!(parsed(empty), json!({"__program": program}));
        }
        let data = r#" {"N": 2, "y": [[1.5, -2e3], []], "words": "} \" ] \\"} "#;
        let expected = json!({"N": 2, "y": [[1.5, -2e3], []], "words": "} \" ] \\", "__program": program});
        assert_eq!(parsed(data), expected);
    }

    #[test]
    fn numbers_that_are_not_finite_are_quoted_outside_of_strings() {
        let data = r#"{"a": [NaN, -Infinity,Inf], "NaN": "Infinity", "b": true}"#;
        let expected = json!({"a": ["NaN", "-Infinity", "Inf"], "NaN": "Infinity", "b": true});
        let mut found = parsed(data);
        found.as_object_mut().unwrap().remove("__program");
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[1]", "3", "{", "}", "{}}", "{\"a\": 1} {\"b\": 2}", "{\"a\": 1}]}"] {
            assert!(with_member(text, "k", &Value::Null).is_err(), "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(with_member(&deep(99), "k", &Value::Null).is_ok());
        assert!(with_member(&deep(100), "k", &Value::Null).unwrap_err().contains("nested"));
    }
}
