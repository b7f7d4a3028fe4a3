//! The question whether the first line of a list is a heading. A heading must never become a code that buyers can guess.
//!
//! Invariant: pure.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Words for a code or a voucher. Alone, or together with [`QUALIFIERS`], they head the column with the codes.
const NOUNS: &str = "\
    code codes coupon coupons voucher vouchers token tokens giftcard giftcards gutschein gutscheine \
    geschenkkarte kod kode kodes koder kody kodu kodovi kodai kodas kods kodi kood koodi koodit kupon kupony \
    kuponu kupong kuponger kuponki cod coduri codi codis codice codici codigo codigos cupon cupones cupom \
    cupons buono buoni tegoedbon kortingsbon codul код коды купона кодове кодови промокод промокоды купон \
    купоны ваучер κωδικος κωδικοι κουπονι コード クーポン クーポンコード 代码 代碼 优惠码 優惠碼 兑换码 兌換碼 코드 쿠폰 쿠폰코드 קוד קופון كود \
    رمز قسيمة कोड รหัส คูปอง mã magiamgia";
/// Words that stand beside a noun in a heading.
const QUALIFIERS: &str = "\
    promo promos promotion promotions discount gift card certificate access unlock offer deal bonus reward \
    redeem redemption campaign unique single use sale ticket event shop your my the of for number numbers \
    numero num no nr nummer nummern id ids list liste value text rabatt rabat rabais aktion aktions angebot \
    angebots vorteil vorteils einlose einloese geschenk zugangs werbe kampagnen de du di da do des der la le \
    el s e n promocional promocionales promotionnel promotionnels promozionale promozionali promocion sconto \
    regalo reduction remise cadeau avantage descuento desconto oferta korting kortings actie kado kampanj \
    kampanje present presentkort gavekort alennus ale lahja tarjous rabatowy rabatowe promocyjny promocyjne \
    znizkowy slevovy slevove darkovy zlavovy zlavove kedvezmeny ajandek indirim hediye promosyon popust \
    promotionala promotional promoțional reducere скидки скидка на εκπτωσης 割引 プロモーション 折扣 优惠 優惠 할인 프로모션";
/// Rows that are compared with the first one.
const SAMPLE: usize = 1_000;
/// Equally long codes that make another length of the first line suspicious.
const EQUAL_LENGTHS: usize = 5;

/// What the first line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A heading. It names this column as that of the codes.
    Heading(usize),
    /// A line like the others.
    Code,
    /// It looks like a heading, but may be a code.
    Unclear,
}

/// Judges the first row. `others` are the rows after it, and `column` is the column with the codes if the row is not a
/// heading.
pub(super) fn judge(first: &[&str], others: &[Vec<&str>], column: usize) -> Verdict {
    let others = others.get(..SAMPLE).unwrap_or(others);
    if let Some(column) = named_column(first, others) {
        return Verdict::Heading(column);
    }
    let cell = first.get(column).copied().unwrap_or_default().trim();
    let rest: Vec<&str> = column_of(others, column);
    let has_numbers_below = (0..first.len())
        .filter(|place| *place != column)
        .any(|place| is_title(first.get(place).copied().unwrap_or_default(), &column_of(others, place)));
    if is_suspicious(cell, &rest) || (has_numbers_below && !has_digit(cell)) {
        Verdict::Unclear
    } else {
        Verdict::Code
    }
}

/// Returns the column that the row names, if it is a heading. A cell that occurs again below is not a heading.
pub(super) fn named_column(first: &[&str], others: &[Vec<&str>]) -> Option<usize> {
    let is_repeated = |column: usize, cell: &str| {
        column_of(others, column).iter().any(|other| other.eq_ignore_ascii_case(cell))
    };
    let ranks = first.iter().enumerate().filter_map(|(column, cell)| {
        let rank = rank(cell)?;
        (!is_repeated(column, cell.trim())).then_some((rank, column))
    });
    ranks.min().map(|(_, column)| column)
}

fn column_of<'a>(rows: &[Vec<&'a str>], column: usize) -> Vec<&'a str> {
    let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
    cells.filter(|cell| !cell.is_empty()).collect()
}

/// Returns the precedence of a cell as the heading of the codes, lowest first, and `None` for other texts.
fn rank(cell: &str) -> Option<u8> {
    const PLAIN: [&str; 2] = ["code", "codes"];
    let word = normalised(cell);
    let words = segments(&word)?;
    let nouns =
        words.iter().filter(|word| NOUNS.split_whitespace().any(|noun| normalised(noun) == **word)).count();
    let is_code = |word: &&str| (word.starts_with("co") && word.contains('d')) || word.starts_with("ko");
    match words.as_slice() {
        _ if nouns == 0 => None,
        [word] if PLAIN.contains(word) => Some(0),
        words if words.len() > 1 && words.iter().any(is_code) => Some(1),
        words if words.iter().any(is_code) => Some(2),
        _ => Some(3),
    }
}

/// Splits the word into known words, and returns `None` if a part is unknown.
fn segments(word: &str) -> Option<Vec<&str>> {
    let known: Vec<String> =
        NOUNS.split_whitespace().chain(QUALIFIERS.split_whitespace()).map(normalised).collect();
    // For each position that known words reach: the beginning of the last of them.
    let mut reached: Vec<Option<usize>> = vec![None; word.len() + 1];
    for end in 1..=word.len() {
        let begins =
            known.iter().filter_map(|known| end.checked_sub(known.len()).map(|begin| (begin, known)));
        let mut begins = begins.filter(|(begin, known)| word.get(*begin..end) == Some(known.as_str()));
        let found = begins.find(|(begin, _)| *begin == 0 || reached.get(*begin).is_some_and(Option::is_some));
        if let (Some(place), Some((begin, _))) = (reached.get_mut(end), found) {
            *place = Some(begin);
        }
    }
    let (mut words, mut end) = (Vec::new(), word.len());
    while end > 0 {
        let begin = (*reached.get(end)?)?;
        words.push(word.get(begin..end)?);
        end = begin;
    }
    (!words.is_empty()).then_some(words)
}

/// Returns the letters and digits of the text in lower case, without accents.
fn normalised(text: &str) -> String {
    let plain = text.nfkd().filter(|character| !is_combining_mark(*character));
    plain.flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).collect()
}

/// Returns whether the cell differs from the codes below it as a heading does.
fn is_suspicious(cell: &str, rest: &[&str]) -> bool {
    if rest.is_empty() || has_digit(cell) || !cell.chars().any(char::is_alphabetic) {
        return false;
    }
    let word = normalised(cell);
    let fragment = NOUNS.split_whitespace().map(normalised).filter(|noun| noun.chars().count() > 3);
    let has_fragment = fragment
        .filter(|noun| word.contains(noun.as_str()))
        .any(|noun| !rest.iter().all(|other| normalised(other).contains(&noun)));
    let all_have_digits = rest.iter().all(|other| has_digit(other));
    let length = |text: &str| text.chars().count();
    let first = rest.first().map_or(0, |other| length(other));
    let is_equally_long = rest.len() >= EQUAL_LENGTHS && rest.iter().all(|other| length(other) == first);
    let is_mixed = |text: &str| text.contains(char::is_lowercase) && text.contains(char::is_uppercase);
    let differs_in_case = is_mixed(cell) && rest.len() > 1 && !rest.iter().any(|other| is_mixed(other));
    has_fragment || all_have_digits || (is_equally_long && length(cell) != first) || differs_in_case
}

/// Returns whether the cell has no digits, and all cells below it are numbers, amounts or dates.
fn is_title(cell: &str, below: &[&str]) -> bool {
    let is_number = |text: &&str| {
        let is_sign = |character: char| !character.is_alphabetic();
        has_digit(text) && text.chars().filter(|character| !is_sign(*character)).count() < 4
    };
    !has_digit(cell)
        && cell.chars().any(char::is_alphabetic)
        && !below.is_empty()
        && below.iter().all(is_number)
}

fn has_digit(text: &str) -> bool {
    text.contains(|character: char| character.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headings of columns with codes.
    const KNOWN: &[&str] = &[
        "code",
        "Codes",
        "CODE",
        "Coupon Code",
        "coupon_code",
        "Voucher-Code",
        "VOUCHER",
        "PromoCode",
        "Promo codes",
        "Gutscheincode",
        "Gutschein-Code",
        "Gutscheincodes",
        "Gutschein",
        "Gutscheinnummer",
        "Gutschein-Nr.",
        "Rabattcode",
        "Aktionscode",
        "Einlösecode",
        "Discount code",
        "Gift card number",
        "Gift-Card-Code",
        "Kod",
        "Kód",
        "Kod rabatowy",
        "Kod promocyjny",
        "Kod zniżkowy",
        "Kuponkod",
        "Kupon kodu",
        "İndirim kodu",
        "Slevový kód",
        "Zľavový kód",
        "Kód kupónu",
        "Kedvezménykód",
        "Kuponkód",
        "Rabatkode",
        "Kupongkod",
        "Rabattkod",
        "Alennuskoodi",
        "Alekoodi",
        "Código",
        "Código promocional",
        "Código de descuento",
        "Cupón",
        "Cupom",
        "Cupom de desconto",
        "Código do cupom",
        "Codice",
        "Codice sconto",
        "Codice promozionale",
        "Buono",
        "Code promo",
        "Code de réduction",
        "Code promotionnel",
        "Code avantage",
        "Kortingscode",
        "Actiecode",
        "Cod de reducere",
        "Cod promoțional",
        "Промокод",
        "Код купона",
        "Код",
        "Κωδικός",
        "Κωδικός έκπτωσης",
        "クーポンコード",
        "割引コード",
        "优惠码",
        "折扣代码",
        "쿠폰 코드",
        "할인코드",
        "Code:",
        "*Code*",
        " code ",
    ];

    fn judged(lines: &[&str]) -> Verdict {
        let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split(';').collect()).collect();
        judge(&rows[0], &rows[1..], 0)
    }

    #[test]
    fn known_words_are_headings() {
        for &heading in KNOWN {
            assert_eq!(judged(&[heading, "AAAA-1", "BBBB-2"]), Verdict::Heading(0), "{heading}");
            // Also without a digit below, and alone.
            assert_eq!(judged(&[heading, "AAAA", "BBBB"]), Verdict::Heading(0), "{heading}");
            assert_eq!(judged(&[heading]), Verdict::Heading(0), "{heading}");
        }
    }

    #[test]
    fn heading_names_the_column() {
        for (line, column) in [
            ("Titel;Code", 1),
            ("coupon;code", 1),
            ("Code;Coupon", 0),
            ("Gutschein;Wert;Gutscheincode", 2),
            ("Name;Voucher;Price", 1),
            ("voucher code;coupon", 0),
            ("Nr;Codes;Code ", 1),
        ] {
            let cells: Vec<&str> = line.split(';').collect();
            assert_eq!(named_column(&cells, &[]), Some(column), "{line}");
        }
    }

    #[test]
    fn lines_like_headings_are_unclear() {
        for lines in [
            &["Bezeichnung", "A1B2", "C3D4"][..],
            &["WELCOME", "X7K9-1"],
            &["Barcode", "QWERTY", "ASDFGH"],
            &["MYCODEX", "QWERTY", "ASDFGH"],
            &["Zugangsdaten", "A1", "B2"],
            &["BEZEICHNUNG", "QWXZ", "PLMK", "VBNM", "TZUI", "GHJK"],
            &["Bezeichnung", "QWXZ", "PLMKA"],
            &["Bezeichnung;Wert", "QWXZ;5,00", "PLMKA;10,00 EUR"],
        ] {
            let verdict = judged(lines);
            assert!(matches!(verdict, Verdict::Unclear | Verdict::Heading(_)), "{lines:?}: {verdict:?}");
        }
    }

    #[test]
    fn codes_are_codes() {
        for lines in [
            &["AAAA", "BBBB", "CCCC"][..],
            &["SUMMER", "WINTER", "SPRING"],
            &["SUMMER", "AUTUMN-FUN", "ICE"],
            &["COUPON-1", "AAAA"],
            &["COUPON-1", "COUPON-2"],
            &["CODE-0001", "CODE-0002", "CODE-0003"],
            &["WELCOME"],
            &["A1B2", "WELCOME"],
            &["FIRST", "SECOND"],
            &["FIRST", "x", "SECOND", "first"],
            &["aaaa", "BBBB", "CCCC"],
            &["PROMO2026", "X7K9", "Z8L1"],
            &["voucher;AAAA", "voucher;BBBB"],
            &["12345678", "87654321"],
            &["AAAA;5.00", "BBBB;10.00"],
        ] {
            assert_eq!(judged(lines), Verdict::Code, "{lines:?}");
        }
    }
}
