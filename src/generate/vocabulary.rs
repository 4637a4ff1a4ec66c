//! The words that synthetic sessions are made of. All invented; the domains and numbers belong to nobody.

/// A person's name, in its own script and as the local part of an e-mail address.
pub(super) struct Name {
    /// Given name.
    pub(super) first: &'static str,
    /// Family name.
    pub(super) last: &'static str,
    /// Both in ASCII.
    pub(super) ascii: &'static str,
    /// Language tag that goes with it.
    pub(super) language: &'static str,
}

const fn name(first: &'static str, last: &'static str, ascii: &'static str, language: &'static str) -> Name {
    Name { first, last, ascii, language }
}

/// Names, the frequent ones first.
pub(super) const NAMES: [Name; 48] = [
    name("Mary", "Whitfield", "mary.whitfield", "en-US"),
    name("James", "Calloway", "james.calloway", "en-US"),
    name("Ana", "Reyes", "ana.reyes", "es-US"),
    name("Robert", "Nakagawa", "robert.nakagawa", "en-US"),
    name("Linda", "Okafor", "linda.okafor", "en-US"),
    name("Michael", "Brandt", "michael.brandt", "en-US"),
    name("Sofía", "Martínez", "sofia.martinez", "es-US"),
    name("David", "Pruitt", "david.pruitt", "en-US"),
    name("Patricia", "Lindqvist", "patricia.lindqvist", "en-US"),
    name("Carlos", "Núñez", "carlos.nunez", "es-US"),
    name("Jennifer", "Ashworth", "jennifer.ashworth", "en-US"),
    name("Thomas", "O'Malley", "thomas.omalley", "en-US"),
    name("Barbara", "Vance", "barbara.vance", "en-US"),
    name("Daniel", "Kowalczyk", "daniel.kowalczyk", "en-US"),
    name("Susan", "Delgado", "susan.delgado", "en-US"),
    name("Wei", "Chen", "wei.chen", "en-US"),
    name("Jessica", "Thornbury", "jessica.thornbury", "en-US"),
    name("Kevin", "Mbeki", "kevin.mbeki", "en-US"),
    name("Karen", "Haddad", "karen.haddad", "en-US"),
    name("Brian", "Stavros", "brian.stavros", "en-US"),
    name("Nancy", "Ferreira", "nancy.ferreira", "pt-BR"),
    name("José", "Hernández", "jose.hernandez", "es-MX"),
    name("Lisa", "Tran", "lisa.tran", "en-US"),
    name("Mark", "Eriksen", "mark.eriksen", "en-US"),
    name("Priya", "Raman", "priya.raman", "en-IN"),
    name("Émile", "Gagné", "emile.gagne", "fr-CA"),
    name("Chloé", "Lefèvre", "chloe.lefevre", "fr-CA"),
    name("Jürgen", "Müller", "juergen.mueller", "de-DE"),
    name("Zoë", "van den Berg", "zoe.vandenberg", "nl-NL"),
    name("Łukasz", "Wiśniewski", "lukasz.wisniewski", "pl-PL"),
    name("Øystein", "Bjørnsen", "oystein.bjornsen", "nb-NO"),
    name("Gülşen", "Yıldız", "gulsen.yildiz", "tr-TR"),
    name("محمد", "العلي", "mohammed.alali", "ar-SA"),
    name("فاطمة", "حسن", "fatima.hassan", "ar-EG"),
    name("伟", "王", "wei.wang", "zh-CN"),
    name("秀英", "李", "xiuying.li", "zh-CN"),
    name("Анна", "Иванова", "anna.ivanova", "ru-RU"),
    name("Дмитрий", "Соколов", "dmitry.sokolov", "ru-RU"),
    name("Олена", "Шевченко", "olena.shevchenko", "uk-UA"),
    name("さくら", "田中", "sakura.tanaka", "ja-JP"),
    name("지훈", "김", "jihoon.kim", "ko-KR"),
    name("Ελένη", "Παππά", "eleni.pappa", "el-GR"),
    name("אורי", "כהן", "uri.cohen", "he-IL"),
    name("प्रिया", "शर्मा", "priya.sharma", "hi-IN"),
    name("Nguyễn", "Thị Hoa", "hoa.nguyen", "vi-VN"),
    name("Sam \"Ace\"", "Riddle", "sam.riddle", "en-US"),
    name("Jo 🌻", "Park", "jo.park", "en-US"),
    name("Null", "Trueman", "null.trueman", "en-US"),
];

/// Area codes of North America, the frequent ones first.
pub(super) const AREA_CODES: [u16; 48] = [
    212, 917, 646, 718, 617, 202, 305, 404, 215, 312, 713, 214, 704, 919, 412, 216, 614, 313, 317, 615, 504, 813, 407,
    954, 410, 703, 804, 203, 401, 603, 207, 802, 518, 716, 585, 609, 973, 201, 908, 302, 843, 912, 205, 601, 901, 502,
    513, 414,
];

/// Countries outside North America with their calling code, digits after it, and share among such callers.
pub(super) const COUNTRIES: [(&str, &str, u32, u64); 8] = [
    ("MX", "+52", 10, 34),
    ("GB", "+44", 10, 18),
    ("IN", "+91", 10, 14),
    ("DE", "+49", 11, 12),
    ("BR", "+55", 11, 8),
    ("FR", "+33", 9, 6),
    ("AE", "+971", 9, 5),
    ("CN", "+86", 11, 3),
];

/// What a customer is worth to the account, the frequent ones first.
pub(super) const TIERS: [&str; 4] = ["standard", "silver", "gold", "platinum"];
/// What a customer wants, as the understanding of speech calls it.
pub(super) const INTENTS: [&str; 8] = [
    "check_status",
    "make_payment",
    "talk_to_agent",
    "change_details",
    "report_problem",
    "cancel",
    "ask_hours",
    "unknown",
];
/// What kind of trouble a session is about.
pub(super) const ISSUES: [&str; 6] = ["general", "technical", "payment", "delivery", "account", "feedback"];
/// How urgent it is.
pub(super) const PRIORITIES: [&str; 4] = ["normal", "low", "high", "urgent"];
/// What a session came to, in the words of the workflow.
pub(super) const RESOLUTIONS: [&str; 4] = ["self_service", "information_given", "case_opened", "transferred"];
/// Failures of a webhook.
pub(super) const FAILURES: [&str; 5] = [
    "timeout after 5000 ms",
    "HTTP 502 from \"crm\"",
    "no record for key",
    "unexpected token < in JSON at position 0",
    "C:\\gateway\\log full",
];

/// Remarks of customers and agents, with all that has to be escaped.
pub(super) const NOTES: [&str; 14] = [
    "caller asked for a supervisor",
    "said \"I already paid\" twice",
    "wants a call back after 5 pm",
    "path is C:\\Users\\export",
    "line one\nline two",
    "column a\tcolumn b",
    "prefers café on Émile-Zola street",
    "naïve question, résumé attached",
    "thanks 😀👍🏽",
    "客户要求退款",
    "العميل يطلب استرداد المبلغ",
    "Клиент просит перезвонить",
    "50% off; code = A/B-7 <b>bold</b> & more",
    "it's \\\"escaped\\\" already, {{customer_name}}",
];

/// Places, for fields that name one.
pub(super) const PLACES: [&str; 12] = [
    "Boston",
    "Newark",
    "Philadelphia",
    "Baltimore",
    "Charlotte",
    "Atlanta",
    "Miami",
    "San José",
    "Montréal",
    "Cleveland",
    "Nashville",
    "Québec",
];

/// Values of fields with few of them.
pub(super) const WORDS: [&str; 12] = [
    "open", "pending", "closed", "approved", "declined", "basic", "plus", "premium", "mobile", "email", "none", "other",
];

/// Things that are sold, for lists of items.
pub(super) const GOODS: [&str; 8] = ["A-100", "A-220", "B-017", "C-901", "KIT-3", "GIFT", "SVC-12M", "X-1/2\""];

/// What kind of value a field of a workflow holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Money as text, plain or with a currency sign.
    Money,
    /// Money as a number in one row and as text in another.
    MoneyMixed,
    /// A whole number.
    Count,
    /// A whole number as text.
    CountText,
    /// A whole number as a number in one row and as text in another.
    CountMixed,
    /// True or false.
    Flag,
    /// True, false, "yes", "no", "Y" or "N".
    FlagMixed,
    /// A reference such as `R-00417-QX`.
    Code,
    /// A date.
    Day,
    /// An instant.
    Instant,
    /// One of a few words.
    Word,
    /// A place.
    Place,
    /// An object as JSON inside a string.
    EmbeddedObject,
    /// A list as JSON inside a string.
    EmbeddedList,
    /// A list of numbers.
    Numbers,
    /// A list of words.
    Tags,
    /// A number from 0 to 1.
    Fraction,
    /// A remark.
    Note,
    /// Null, or an id.
    NullOrId,
}

/// What fields of workflows are called, without the topic that goes before, and what they hold.
pub(super) const STEMS: [(&str, Value); 30] = [
    ("amount_due", Value::MoneyMixed),
    ("balance", Value::Money),
    ("due_date", Value::Day),
    ("reference", Value::Code),
    ("attempts", Value::CountMixed),
    ("verified", Value::FlagMixed),
    ("score", Value::Fraction),
    ("state", Value::Word),
    ("reason", Value::Word),
    ("items", Value::EmbeddedList),
    ("address", Value::EmbeddedObject),
    ("notes", Value::Note),
    ("last_update", Value::Instant),
    ("visits", Value::CountText),
    ("eligible", Value::Flag),
    ("city", Value::Place),
    ("options", Value::Numbers),
    ("plan", Value::Word),
    ("discount", Value::MoneyMixed),
    ("agent_hint", Value::Note),
    ("step", Value::Count),
    ("retry_after", Value::CountMixed),
    ("contact_by", Value::Word),
    ("expires_on", Value::Day),
    ("confirmed", Value::FlagMixed),
    ("points", Value::CountText),
    ("parent_id", Value::NullOrId),
    ("ratio", Value::Fraction),
    ("time_window", Value::EmbeddedObject),
    ("tags", Value::Tags),
];

/// Variables that few sessions have, from about one in a hundred to one in ten thousand.
pub(super) const RARE: [(&str, Value); 40] = [
    ("promo_code", Value::Code),
    ("callback_at", Value::Instant),
    ("surveyScore", Value::CountMixed),
    ("escalated", Value::FlagMixed),
    ("legacy_account", Value::CountText),
    ("vipHost", Value::Note),
    ("competitor", Value::Word),
    ("refund_amount", Value::MoneyMixed),
    ("store_number", Value::CountMixed),
    ("warranty_until", Value::Day),
    ("interpreter", Value::Flag),
    ("hearing_relay", Value::FlagMixed),
    ("power_of_attorney", Value::FlagMixed),
    ("minor_present", Value::Flag),
    ("fraud_flag", Value::Fraction),
    ("bank_transfer", Value::EmbeddedObject),
    ("gift_cards", Value::EmbeddedList),
    ("old_session", Value::NullOrId),
    ("weather_alert", Value::Word),
    ("strike_notice", Value::Note),
    ("recall.campaign", Value::Code),
    ("two words", Value::Note),
    ("Größe", Value::Count),
    ("客户编号", Value::CountText),
    ("x-debug", Value::Tags),
    ("$ref", Value::Code),
    ("0", Value::Count),
    ("a/b", Value::Word),
    ("UPPER", Value::Flag),
    ("upper", Value::FlagMixed),
    ("nps", Value::CountMixed),
    ("drone_delivery", Value::Flag),
    ("pet_name", Value::Note),
    ("loyalty_import", Value::EmbeddedObject),
    ("kiosk_id", Value::CountText),
    ("court_date", Value::Day),
    ("estate_case", Value::Code),
    ("shipment_weights", Value::Numbers),
    ("eclipse_day", Value::Flag),
    ("test_call", Value::FlagMixed),
];

/// Communication types that no documentation lists.
pub(super) const UNKNOWN_TYPES: [&str; 4] = ["Fax", "Co-Browse", "Carrier Pigeon", "SocialWall"];
