//! Against serde_json, and against text that is almost JSON.
use super::*;
use proptest::prelude::*;

/// Pieces that come together as almost JSON, and sometimes as JSON.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(std::vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"a\":",
        "\\",
        "\\u",
        "\\n",
        "d83d",
        "00",
        "12",
        "-",
        ".",
        "5",
        "e",
        "E+",
        "true",
        "fals",
        "e",
        "null",
        " ",
        "\n",
        "\t",
        "é",
        "\u{1}",
        "abcdefgh",
        "{\"a\":1}",
        "[1,2]",
        "\"\\\"\"",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, at in 0usize..80) {
        let _ = skip_value(&bytes, at);
        let _ = scan_array(&bytes);
        check_placeholders(&bytes, 1);
    }

    #[test]
    fn a_scan_and_a_walk_agree(text in pieces().prop_map(|inner| format!("[{inner}]"))) {
        if let Ok(scan) = scan_array(text.as_bytes()) {
            let items: Vec<_> = array_items(&text).collect();
            prop_assert_eq!(items.len(), scan.count as usize);
            if let (Some(first), Some(last)) = (items.first(), items.last()) {
                prop_assert_eq!(*first, &text[scan.first.start as usize..scan.first.end as usize]);
                prop_assert_eq!(*last, &text[scan.last.start as usize..scan.last.end as usize]);
            }
        }
    }
}

#[cfg(feature = "alloc")]
mod against_serde_json {
    use super::*;
    use serde::de::IgnoredAny;

    fn document() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// A complaint is about the first byte that cannot stand where it does: the text before it can go on, and what follows it does
    /// not matter. Nor does it matter how near the end of the text is, which decides between the quick ways and the others.
    fn first_wrong_byte(text: &str) -> Result<(), TestCaseError> {
        let verdict = check_value(text.as_bytes());
        let spaced = format!("{text}                 ");
        match verdict {
            Ok(_) => prop_assert_eq!(check_value(spaced.as_bytes()), verdict),
            Err(JsonError::End { at }) => prop_assert_eq!(at as usize, text.len()),
            Err(error) => {
                let at = error.offset() as usize;
                prop_assert_eq!(check_value(spaced.as_bytes()), verdict, "{}", text);
                prop_assert_eq!(check_value(&text.as_bytes()[..=at]), verdict, "{}", text);
                match check_value(&text.as_bytes()[..at]) {
                    Ok(_) => {}
                    Err(before) => {
                        prop_assert_eq!(before, JsonError::End { at: at as u32 }, "{}", text);
                    }
                }
            }
        }
        Ok(())
    }

    fn same_verdict(text: &str) -> Result<(), TestCaseError> {
        let theirs = serde_json::from_str::<IgnoredAny>(text);
        prop_assert_eq!(
            check_value(text.as_bytes()).is_ok(),
            theirs.is_ok(),
            "{}",
            text
        );
        first_wrong_byte(text)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn on_pieces(text in pieces()) {
            same_verdict(&text)?;
        }

        #[test]
        fn on_damaged_documents(value in document(), pretty: bool, at: prop::sample::Index, cut in 0usize..3, put in pieces()) {
            let mut text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { serde_json::to_string(&value).unwrap() };
            prop_assert!(check_value(text.as_bytes()).is_ok());
            let from = text.floor_char_boundary(at.index(text.len() + 1));
            let to = text.ceil_char_boundary((from + cut).min(text.len()));
            text.replace_range(from..to, &put[..put.ceil_char_boundary(put.len().min(2))]);
            same_verdict(&text)?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn on_every_front_of_a_document(value in document()) {
            let text = serde_json::to_string(&value).unwrap();
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                same_verdict(&text[..end])?;
            }
        }

        #[test]
        fn on_every_byte_changed(value in document(), put in 0u8..128) {
            let text = serde_json::to_string(&value).unwrap();
            for at in (0..text.len().min(200)).filter(|at| text.as_bytes()[*at].is_ascii()) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = put;
                same_verdict(core::str::from_utf8(&bytes).unwrap())?;
            }
        }

        #[test]
        fn on_nesting_near_the_limit(
            levels in (prop::sample::select(std::vec![0, 64, MAX_DEPTH as usize - 64]), 60usize..70)
                .prop_flat_map(|(base, more)| prop::collection::vec(any::<bool>(), base + more)),
            inner in prop::sample::select(std::vec!["", "1", "\"a\"", "[]", "{}", " ", "null"]),
            spaced: bool,
        ) {
            let (mut text, space) = (String::new(), if spaced { " " } else { "" });
            for object in &levels {
                text += if *object { "{\"k\":" } else { "[" };
                text += space;
            }
            // An object without a value is wrong at any depth.
            text += inner;
            for object in levels.iter().rev() {
                text += space;
                text += if *object { "}" } else { "]" };
            }
            let deep = levels.len() + usize::from(inner.len() == 2);
            let empty = inner.trim().is_empty() && levels.last() == Some(&true);
            let verdict = check_value(text.as_bytes());
            prop_assert_eq!(verdict.is_ok(), deep <= MAX_DEPTH as usize && !empty, "{}", text);
            if deep > MAX_DEPTH as usize {
                prop_assert!(matches!(verdict, Err(JsonError::TooDeep { .. })), "{}", text);
            }
            first_wrong_byte(&text)?;
        }
    }
}
