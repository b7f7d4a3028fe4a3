//! Tests of lists as people and spreadsheets write them.

use proptest::prelude::*;

use super::*;
use crate::coupon::code::VendorFault;

fn list(bytes: &[u8]) -> CodeList {
    read(bytes, &Options::default()).unwrap()
}

fn codes_of(text: &str) -> Vec<String> {
    texts(list(text.as_bytes()))
}

fn texts(list: CodeList) -> Vec<String> {
    list.codes.into_iter().map(|(_, code)| code.into_string()).collect()
}

fn faults_with(bytes: &[u8], options: &Options) -> Vec<(u64, LineProblem)> {
    let faults = read(bytes, options).unwrap_err();
    faults.reported.into_iter().map(|fault| (fault.line, fault.why)).collect()
}

fn faults_of(bytes: &[u8]) -> Vec<(u64, LineProblem)> {
    faults_with(bytes, &Options::default())
}

#[test]
fn codes_keep_the_order_of_lines() {
    assert_eq!(codes_of("BBBB\naaaa\n"), ["BBBB", "AAAA"]);
    assert_eq!(codes_of("BBBB\r\n\"AAAA\"\r\n\r\nCCCC"), ["BBBB", "AAAA", "CCCC"]);
    assert_eq!(codes_of("\u{feff}Code\nAAAA\n"), ["AAAA"]);
    assert_eq!(codes_of("title,code\n\"Ten, off\",AAAA\nTen,BBBB\n"), ["AAAA", "BBBB"]);
}

#[test]
fn heading_is_not_a_code() {
    for heading in [
        "Codes",
        "VOUCHER",
        " coupon ",
        "Coupon Code",
        "title,Voucher_Code",
        "Promo code,title",
        "Gutscheincode",
        "PromoCode",
        "Voucher-Code",
        "Code;Wert",
        "Gutschein-Code\tBetrag",
    ] {
        let cells = heading.split([',', ';', '\t']).count();
        let delimiter = heading.chars().find(|sign| [',', ';', '\t'].contains(sign)).unwrap_or(',');
        let line = if cells == 1 { "AAAA".to_owned() } else { format!("AAAA{delimiter}AAAA") };
        assert_eq!(codes_of(&format!("{heading}\n{line}\n")), ["AAAA"], "{heading}");
    }
    assert_eq!(codes_of("coupon,code\nTen,AAAA\n"), ["AAAA"], "`code` precedes `coupon`");
    assert_eq!(codes_of("AAAA\nCOUPON\n"), ["AAAA", "COUPON"], "a later line is a code");
    assert_eq!(codes_of("COUPON-1\nAAAA\n"), ["COUPON-1", "AAAA"]);
}

#[test]
fn unclear_first_line_needs_consent() {
    let unclear = b"Bezeichnung\nAAAA-1\nBBBB-2\n";
    assert_eq!(faults_of(unclear), [(1, LineProblem::LooksLikeHeading)]);
    let with = |first_line| Options { first_line: Some(first_line), ..Options::default() };
    let heading = texts(read(unclear, &with(FirstLine::Heading)).unwrap());
    assert_eq!(heading, ["AAAA-1", "BBBB-2"]);
    let code = texts(read(unclear, &with(FirstLine::Code)).unwrap());
    assert_eq!(code, ["BEZEICHNUNG", "AAAA-1", "BBBB-2"]);
    let known = texts(read(b"Voucher\nAAAA\n", &with(FirstLine::Code)).unwrap());
    assert_eq!(known, ["VOUCHER", "AAAA"]);
    let other = texts(read(b"AAAA-1\nBBBB-2\n", &with(FirstLine::Heading)).unwrap());
    assert_eq!(other, ["BBBB-2"]);
    // After blank lines and comments.
    assert_eq!(faults_of(b"\n# list\n\nWillkommen\nA1B2\n"), [(4, LineProblem::LooksLikeHeading)]);
}

#[test]
fn all_delimiters_and_encodings_are_read() {
    let text = "Gutscheincode;Wert;Käufer\r\nAAAA-1;5,00;Jürgen\r\nBBBB-2;10,00;Zoë\r\n";
    for delimiter in [";", ",", "\t", "|"] {
        let text = text.replace(',', ".").replace(';', delimiter);
        let latin: Vec<u8> =
            text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, encoding) in [
            (text.clone().into_bytes(), "UTF-8"),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8"),
            (latin, "windows-1252"),
            ([&b"\xff\xfe"[..], &wide].concat(), "UTF-16LE"),
            (wide, "UTF-16LE"),
            ([&b"\xfe\xff"[..], &big].concat(), "UTF-16BE"),
            (big, "UTF-16BE"),
        ] {
            let list = list(&bytes);
            assert_eq!(list.reading.encoding, encoding, "{delimiter:?}");
            assert_eq!(list.reading.delimiter, delimiter.chars().next(), "{encoding}");
            assert_eq!(list.reading.column, 1);
            assert_eq!(texts(list), ["AAAA-1", "BBBB-2"], "{encoding} {delimiter:?}");
        }
    }
}

#[test]
fn skipped_lines_are_reported() {
    let list = list(
        "sep=;\r\n# from the shop\r\n\r\nNr;Gutschein-Code\r\n1;AAAA\r\n;;\r\n # again\r\n2;BBBB\r\n"
            .as_bytes(),
    );
    let skipped: Vec<(u64, SkipReason, &str)> =
        list.reading.skipped.iter().map(|line| (line.line, line.why, line.text.as_str())).collect();
    let expected = [
        (1, SkipReason::Delimiter, "sep="),
        (2, SkipReason::Comment, "# from the shop"),
        (4, SkipReason::Heading, "Nr"),
        (6, SkipReason::Blank, ""),
        (7, SkipReason::Comment, "# again"),
    ];
    assert_eq!(skipped, expected);
    assert_eq!((list.reading.skipped_count, list.reading.column), (5, 2));
    assert_eq!(list.reading.warnings, [Warning::HeadingSkipped("Nr".to_owned())]);
    assert_eq!(list.codes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [5, 8]);
}

#[test]
fn column_is_found_by_its_content() {
    for (text, column) in [
        ("1;AAAA\n2;BBBB\n", 2),
        ("Ten off;AAAA;x\nTwo off;BBBB;y\n", 2),
        ("5.00,2026-12-31,AAAA\n5.00,2026-12-31,BBBB\n", 3),
        ("AAAA,10\nBBBB,20\n", 1),
        ("Name,Price,Item\nTen,5.00,AAA-1\nTwo,6.00,BBB-2\n", 3),
    ] {
        let options = Options {
            first_line: text.starts_with("Name").then_some(FirstLine::Heading),
            ..Options::default()
        };
        assert_eq!(read(text.as_bytes(), &options).unwrap().reading.column, column, "{text:?}");
    }
    let chosen = Options { column: Some(2), ..Options::default() };
    assert_eq!(texts(read(b"AAAA;CCCC\nBBBB;DDDD\n", &chosen).unwrap()), ["CCCC", "DDDD"]);
    assert_eq!(list(b"AAAA;CCCC\nBBBB;DDDD\n").reading.warnings, [Warning::SeveralColumns(1, 2)]);
    let missing = Options { column: Some(9), ..Options::default() };
    assert_eq!(faults_with(b"AAAA;CCCC\nBBBB;DDDD\n", &missing), [(1, LineProblem::Missing)]);
    assert_eq!(faults_of(b"AAAA;BBBB;CCCC;DDDD\n"), [(1, LineProblem::SeveralCodes)]);
}

#[test]
fn cells_of_spreadsheets_are_read() {
    for cell in [
        "=\"0012\"",
        "'0012",
        "\"=\"\"0012\"\"\"",
        "“0012”",
        "„0012“",
        "«0012»",
        "'0012'",
        "\u{feff}0012",
        "00\u{200b}12",
        "００１２",
        " 0012\u{a0}",
    ] {
        assert_eq!(codes_of(&format!("{cell}\nAAAA\n")), ["0012", "AAAA"], "{cell}");
    }
    assert_eq!(codes_of("AB–CD\nAAAA\n"), ["AB-CD", "AAAA"]);
    let inner = faults_of(b"AB CD\nAAAA\n");
    assert_eq!(inner, [(1, LineProblem::Malformed(VendorFault::Character))]);
}

#[test]
fn all_faults_are_reported_by_line() {
    let upload = "code\nAAAA\nab\nBBBB\n=1+1\naaaa\nÄBCD\n\"\"\nAAAA\n".as_bytes();
    let expected = [
        (3, LineProblem::Malformed(VendorFault::Length)),
        (5, LineProblem::Malformed(VendorFault::Character)),
        (6, LineProblem::Duplicate(2)),
        (7, LineProblem::Malformed(VendorFault::Character)),
        (9, LineProblem::Duplicate(2)),
    ];
    assert_eq!(faults_of(upload), expected);
    assert_eq!(faults_of(b"title,code\nTen,AAAA\nTen\n"), [(3, LineProblem::Missing)]);
}

#[test]
fn unreadable_file_has_one_fault() {
    for (bytes, why) in [
        (&b"PK\x03\x04rest"[..], LineProblem::NotText(NotText::Spreadsheet)),
        (b"AAAA\0\nBBBB\n", LineProblem::NotText(NotText::Binary)),
        (b"\xff\xfe\0\0A\0\0\0", LineProblem::NotText(NotText::Utf32)),
        (b"AAAA/1\nBBBB/2\nCCCC/3\n", LineProblem::NoLine(VendorFault::Character)),
        (b"AAAA 5,00\nBBBB 5,00\n", LineProblem::NoLine(VendorFault::Character)),
        (b"A\nB\nC\n", LineProblem::NoLine(VendorFault::Length)),
    ] {
        assert_eq!(faults_of(bytes), [(1, why)], "{bytes:?}");
        assert_eq!(read(bytes, &Options::default()).unwrap_err().count, 1);
    }
    assert_eq!(faults_of(b"code\n\"AAAA\nBBBB\nCCCC\n"), [(2, LineProblem::OpenQuote)]);
}

#[test]
fn lines_are_counted_as_in_an_editor() {
    for end in ["\n", "\r\n", "\r"] {
        let upload = ["code", "", "AAAA", "", "", "x", "BBBB", "y"].join(end);
        let lines: Vec<u64> = faults_of(upload.as_bytes()).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [6, 8], "{end:?}");
    }
}

#[test]
fn import_without_codes_is_refused() {
    for upload in [
        &b""[..],
        b"\n\n",
        b"code\n",
        b"\xef\xbb\xbf",
        b"# nothing\n",
        b"sep=;\n",
        b";;\n",
        b"Gutscheincode;Wert\n",
    ] {
        assert_eq!(faults_of(upload), [(1, LineProblem::NoCodes)], "{upload:?}");
    }
}

#[test]
fn number_of_codes_is_bounded() {
    let lines = |count: usize| (0..count).map(|code| format!("CODE{code}\n")).collect::<Vec<_>>().concat();
    assert_eq!(codes_of(&lines(CODES_MAX)).len(), CODES_MAX);
    assert_eq!(faults_of(lines(CODES_MAX + 1).as_bytes()), [(CODES_MAX as u64 + 1, LineProblem::TooMany)]);
}

#[test]
fn numbers_of_reported_lines_are_bounded() {
    let faults = read(format!("{}AAAA\n", "A\n".repeat(50_000)).as_bytes(), &Options::default()).unwrap_err();
    assert_eq!((faults.reported.len(), faults.count), (fault::FAULTS_REPORTED, 50_000));
    let list = list(format!("AAAA\n{}", "# comment\n".repeat(500)).as_bytes());
    assert_eq!((list.reading.skipped.len(), list.reading.skipped_count), (SKIPPED_REPORTED, 500));
}

proptest! {
    #[test]
    fn no_import_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, &Options::default());
    }

    #[test]
    fn no_text_panics(text in "[A-Za-z0-9;,|\t\"'#= \n\r\u{feff}äß–-]{0,120}", column in proptest::option::of(0_usize..4)) {
        for first_line in [None, Some(FirstLine::Heading), Some(FirstLine::Code)] {
            let options = Options { first_line, column, charset: None };
            if let Ok(list) = read(text.as_bytes(), &options) {
                prop_assert!(!list.codes.is_empty());
            }
        }
    }

    #[test]
    fn lists_with_digits_are_read_in_any_form(
        codes in proptest::collection::btree_set("[A-Z]{2}[0-9]{3}[A-Z0-9_-]{0,8}", 2..20),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        heading in prop::option::of(prop::sample::select(vec!["Gutscheincode", "Promo Code", "Código", "CODE"])),
        wide: bool,
    ) {
        let heading = heading.map(|heading| format!("{heading}{delimiter}Wert"));
        let rows = codes.iter().map(|code| format!("{code}{delimiter}5"));
        let text = heading.into_iter().chain(rows).collect::<Vec<_>>().join(end);
        let bytes = if wide { text.encode_utf16().flat_map(u16::to_le_bytes).collect() } else { text.into_bytes() };
        let read = texts(read(&bytes, &Options::default()).unwrap());
        prop_assert_eq!(read, codes.into_iter().collect::<Vec<_>>());
    }
}
