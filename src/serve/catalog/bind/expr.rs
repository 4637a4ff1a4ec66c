//! Expressions: columns, literals, operators, casts, subqueries, arrays.

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, Expr, Subscript, TrimWhereField, UnaryOperator, Value as Literal,
};

use super::super::fault::{Fault, MISMATCH, NO_COLUMN, NO_FUNCTION, Result};
use super::super::plan::{Node, Operator};
use super::super::types::{Held, Type, sql_name};
use super::super::value::Value;
use super::{Binder, Typed, folded, unsupported};

/// The operators by the way that they are written in `OPERATOR(pg_catalog.…)`.
fn operator(op: &BinaryOperator) -> Option<Operator> {
    use BinaryOperator as B;
    let matches = |any_case, negated| Operator::Matches { any_case, negated };
    let like = |any_case, negated| Operator::Like { any_case, negated };
    Some(match op {
        B::Eq => Operator::Equal,
        B::NotEq => Operator::NotEqual,
        B::Lt => Operator::Less,
        B::LtEq => Operator::AtMost,
        B::Gt => Operator::Greater,
        B::GtEq => Operator::AtLeast,
        B::Plus => Operator::Plus,
        B::Minus => Operator::Minus,
        B::Multiply => Operator::Times,
        B::Divide => Operator::Over,
        B::Modulo => Operator::Modulo,
        B::BitwiseAnd => Operator::BitAnd,
        B::BitwiseOr => Operator::BitOr,
        B::PGBitwiseShiftLeft => Operator::ShiftLeft,
        B::PGBitwiseShiftRight => Operator::ShiftRight,
        B::StringConcat => Operator::Concat,
        B::PGRegexMatch => matches(false, false),
        B::PGRegexIMatch => matches(true, false),
        B::PGRegexNotMatch => matches(false, true),
        B::PGRegexNotIMatch => matches(true, true),
        B::PGLikeMatch => like(false, false),
        B::PGILikeMatch => like(true, false),
        B::PGNotLikeMatch => like(false, true),
        B::PGNotILikeMatch => like(true, true),
        B::PGStartsWith => Operator::StartsWith,
        B::AtArrow => Operator::Contains,
        B::ArrowAt => Operator::Within,
        B::PGOverlap => Operator::Overlaps,
        B::Custom(name) => written(name)?,
        B::PGCustomBinaryOperator(name) => written(name.last()?)?,
        _ => return None,
    })
}

fn written(name: &str) -> Option<Operator> {
    use BinaryOperator as B;
    operator(&match name {
        "=" => B::Eq,
        "<>" | "!=" => B::NotEq,
        "<" => B::Lt,
        "<=" => B::LtEq,
        ">" => B::Gt,
        ">=" => B::GtEq,
        "+" => B::Plus,
        "-" => B::Minus,
        "*" => B::Multiply,
        "/" => B::Divide,
        "%" => B::Modulo,
        "&" => B::BitwiseAnd,
        "|" => B::BitwiseOr,
        "||" => B::StringConcat,
        "~" => B::PGRegexMatch,
        "~*" => B::PGRegexIMatch,
        "!~" => B::PGRegexNotMatch,
        "!~*" => B::PGRegexNotIMatch,
        "~~" => B::PGLikeMatch,
        "~~*" => B::PGILikeMatch,
        "!~~" => B::PGNotLikeMatch,
        "!~~*" => B::PGNotILikeMatch,
        "^@" => B::PGStartsWith,
        "@>" => B::AtArrow,
        "<@" => B::ArrowAt,
        "&&" => B::PGOverlap,
        _ => return None,
    })
}

/// Whether an operator asks for equality.
pub(super) fn is_equal(op: &BinaryOperator) -> bool {
    operator(op) == Some(Operator::Equal)
}

impl Binder<'_> {
    /// Binds an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Typed> {
        self.deeper(|binder| binder.any(expr))
    }

    fn any(&mut self, expr: &Expr) -> Result<Typed> {
        match expr {
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(names) => self.column(names),
            Expr::CompoundFieldAccess { root, access_chain } => self.accesses(root, access_chain),
            Expr::Nested(inner) => self.expr(inner),
            Expr::Collate { expr, .. } => self.expr(expr),
            Expr::Value(value) => self.value(&value.value),
            Expr::TypedString(typed) => {
                let (inner, to) = (self.value(&typed.value.value)?, Type::of(&typed.data_type)?);
                self.cast(inner, to)
            }
            Expr::Prefixed { value, .. } => self.expr(value),
            Expr::Cast { expr, data_type, .. } => {
                let to = Type::of(data_type)?;
                // '{a,b}'::name[] and array[]::name[] alike.
                let inner = self.expr(expr)?;
                self.cast(inner, to)
            }
            Expr::IsNull(inner) => Ok((Node::IsNull(Box::new(self.expr(inner)?.0)), Type::BOOL)),
            Expr::IsNotNull(inner) => Ok((not(Node::IsNull(Box::new(self.expr(inner)?.0))), Type::BOOL)),
            Expr::IsTrue(inner) => Ok((Node::IsTruth(Box::new(self.truth(inner)?), true), Type::BOOL)),
            Expr::IsNotTrue(inner) => Ok((not(Node::IsTruth(Box::new(self.truth(inner)?), true)), Type::BOOL)),
            Expr::IsFalse(inner) => Ok((Node::IsTruth(Box::new(self.truth(inner)?), false), Type::BOOL)),
            Expr::IsNotFalse(inner) => Ok((not(Node::IsTruth(Box::new(self.truth(inner)?), false)), Type::BOOL)),
            Expr::IsUnknown(inner) => Ok((Node::IsNull(Box::new(self.truth(inner)?)), Type::BOOL)),
            Expr::IsNotUnknown(inner) => Ok((not(Node::IsNull(Box::new(self.truth(inner)?))), Type::BOOL)),
            Expr::IsDistinctFrom(a, b) | Expr::IsNotDistinctFrom(a, b) => {
                let (a_typed, b_typed) = (self.expr(a)?, self.expr(b)?);
                let (a, b) = self.comparable(a_typed, b_typed)?;
                let differ = Node::Differ(Box::new(a), Box::new(b));
                Ok((if matches!(expr, Expr::IsDistinctFrom(..)) { differ } else { not(differ) }, Type::BOOL))
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr: inner } => self.unary(op, inner),
            Expr::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
                let (a, low) = self.comparable(value.clone(), low)?;
                let (b, high) = self.comparable(value, high)?;
                let both = Node::And(vec![pair(Operator::AtLeast, a, low), pair(Operator::AtMost, b, high)]);
                Ok((negate(both, *negated), Type::BOOL))
            }
            Expr::Like { negated, expr, pattern, escape_char, .. } => {
                self.like(expr, pattern, escape_char.as_ref(), *negated, false)
            }
            Expr::ILike { negated, expr, pattern, escape_char, .. } => {
                self.like(expr, pattern, escape_char.as_ref(), *negated, true)
            }
            Expr::InList { expr, list, negated } => {
                let left = self.expr(expr)?;
                if let Node::Row(_) = left.0 {
                    let mut any = Vec::new();
                    for item in list {
                        let right = self.expr(item)?;
                        let (a, b) = self.comparable(left.clone(), right)?;
                        any.push(pair(Operator::Equal, a, b));
                    }
                    return Ok((negate(Node::Or(any), *negated), Type::BOOL));
                }
                let mut typed = vec![left];
                for item in list {
                    typed.push(self.expr(item)?);
                }
                let (mut nodes, _) = self.alike(typed)?;
                let list = nodes.split_off(1);
                let left = nodes.pop().unwrap_or(Node::Constant(Value::Null));
                let list = Box::new(Node::List(list));
                let any = Node::Elements { left: Box::new(left), operator: Operator::Equal, list, all: false };
                Ok((negate(any, *negated), Type::BOOL))
            }
            Expr::InSubquery { expr, subquery, negated } => {
                let any = self.rows_of(expr, Operator::Equal, subquery, false)?;
                Ok((negate(any, *negated), Type::BOOL))
            }
            Expr::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, false),
            Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true),
            Expr::Exists { subquery, negated } => {
                let (query, _) = self.subquery(subquery)?;
                Ok((negate(Node::Exists(query), *negated), Type::BOOL))
            }
            Expr::Subquery(query) => {
                let (query, kind) = self.subquery(query)?;
                Ok((Node::Scalar(query), kind))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Array(array) => {
                let typed = array.elem.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
                let (nodes, kind) = self.alike(typed)?;
                let kind = kind.array().unwrap_or(Type::TEXTS);
                Ok((Node::List(nodes), if array.elem.is_empty() { Type::TEXTS } else { kind }))
            }
            Expr::Tuple(items) => {
                let nodes = items.iter().map(|item| Ok(self.expr(item)?.0)).collect::<Result<_>>()?;
                Ok((Node::Row(nodes), Type::RECORD))
            }
            Expr::Function(function) => self.function_call(function),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.expr(expr)?];
                match (substring_from, substring_for) {
                    (None, None) => {}
                    (from, length) => {
                        let one = (Node::Constant(Value::Int(1)), Type::INT4);
                        arguments.push(from.as_ref().map_or(Ok(one), |from| self.expr(from))?);
                        if let Some(length) = length {
                            arguments.push(self.expr(length)?);
                        }
                    }
                }
                self.call("substring", arguments)
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let mut arguments = vec![self.expr(expr)?];
                let characters = trim_what.as_deref().or_else(|| trim_characters.as_ref()?.first());
                if let Some(characters) = characters {
                    arguments.push(self.expr(characters)?);
                }
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                self.call(name, arguments)
            }
            Expr::Position { expr, r#in } => {
                let arguments = vec![self.expr(r#in)?, self.expr(expr)?];
                self.call("strpos", arguments)
            }
            Expr::AtTimeZone { timestamp, .. } => {
                let inner = self.expr(timestamp)?;
                self.cast(inner, Type::TIMESTAMP)
            }
            other => unsupported(other),
        }
    }

    fn identifier(&mut self, ident: &ast::Ident) -> Result<Typed> {
        match self.column(std::slice::from_ref(ident)) {
            // These are called without parentheses.
            Err(fault) if fault.code == NO_COLUMN && ident.quote_style.is_none() => {
                let name = folded(ident);
                let is_plain = matches!(
                    name.as_str(),
                    "current_user"
                        | "session_user"
                        | "user"
                        | "current_role"
                        | "current_catalog"
                        | "current_schema"
                        | "current_timestamp"
                        | "current_date"
                        | "localtimestamp"
                );
                if is_plain { self.call(&name, Vec::new()) } else { Err(fault) }
            }
            other => other,
        }
    }

    fn value(&mut self, literal: &Literal) -> Result<Typed> {
        Ok(match literal {
            Literal::Number(number, _) => match number.parse::<i64>() {
                Ok(whole) if i32::try_from(whole).is_ok() => (Node::Constant(Value::Int(whole)), Type::INT4),
                Ok(whole) => (Node::Constant(Value::Int(whole)), Type::INT8),
                Err(_) => {
                    let float = number.parse().map_err(|_| Fault::new(MISMATCH, format!("{number} is no number")))?;
                    (Node::Constant(Value::Float(float)), Type::NUMERIC)
                }
            },
            Literal::Boolean(truth) => (Node::Constant(Value::Bool(*truth)), Type::BOOL),
            Literal::Null => (Node::Constant(Value::Null), Type::UNKNOWN),
            Literal::Placeholder(name) => {
                let number =
                    name.trim_start_matches('$').parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let Some(number) = number.filter(|number| *number < 65_535) else { return unsupported(name) };
                if self.parameters.len() <= number {
                    self.parameters.resize(number + 1, None);
                }
                let kind = self.parameters.get(number).copied().flatten().unwrap_or(Type::UNKNOWN);
                (Node::Parameter(number), kind)
            }
            other => match other.clone().into_string() {
                Some(text) => (Node::Constant(Value::text(text)), Type::UNKNOWN),
                None => return unsupported(other),
            },
        })
    }

    /// Binds a cast that is asked for.
    pub(super) fn cast(&mut self, (node, kind): Typed, to: Type) -> Result<Typed> {
        if kind == Type::UNKNOWN {
            return Ok((self.coerce((node, kind), to)?, to));
        }
        // An empty array has no type of its own.
        if let (Node::List(items), Held::List) = (&node, to.held())
            && items.is_empty()
        {
            return Ok((node, to));
        }
        if kind == to {
            return Ok((node, to));
        }
        if let Node::Constant(Value::Text(text)) = &node
            && to.is_reference()
        {
            return Ok((Node::Constant(self.literal(text, to)?), to));
        }
        Ok((Node::Cast(Box::new(node), kind, to), to))
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Typed> {
        match op {
            BinaryOperator::And => Ok((Node::And(vec![self.truth(left)?, self.truth(right)?]), Type::BOOL)),
            BinaryOperator::Or => Ok((Node::Or(vec![self.truth(left)?, self.truth(right)?]), Type::BOOL)),
            _ => {
                let Some(operator) = operator(op) else { return unsupported(format!("operator {op}")) };
                // `x operator(pg_catalog.=) any (…)` comes as a call.
                if let Expr::Function(function) = right
                    && let Some(quantifier) = function.name.0.last().and_then(|part| part.as_ident())
                    && matches!(folded(quantifier).as_str(), "any" | "some" | "all")
                {
                    let all = folded(quantifier) == "all";
                    match &function.args {
                        ast::FunctionArguments::Subquery(query) => {
                            return Ok((self.rows_of(left, operator, query, all)?, Type::BOOL));
                        }
                        ast::FunctionArguments::List(list) => {
                            if let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(list))] = list.args.as_slice()
                            {
                                return self.elements(left, operator, list, all);
                            }
                        }
                        ast::FunctionArguments::None => {}
                    }
                }
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                self.apply(operator, left, right)
            }
        }
    }

    /// Binds an operator with two values.
    fn apply(&mut self, operator: Operator, left: Typed, right: Typed) -> Result<Typed> {
        let kinds = (left.1, right.1);
        match operator {
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::AtMost
            | Operator::Greater
            | Operator::AtLeast => {
                let (left, right) = self.comparable(left, right)?;
                Ok((pair(operator, left, right), Type::BOOL))
            }
            Operator::Matches { .. } | Operator::Like { .. } | Operator::StartsWith => {
                let (left, right) = (self.coerce(left, Type::TEXT)?, self.coerce(right, Type::TEXT)?);
                Ok((pair(operator, left, right), Type::BOOL))
            }
            Operator::Concat | Operator::Join => {
                let is_list = |kind: Type| kind.held() == Held::List;
                let (list, node) = match kinds {
                    (a, b) if is_list(a) && is_list(b) => (Some(a), (left.0, right.0)),
                    (a, _) if is_list(a) => {
                        let to = if right.1 == Type::UNKNOWN { a } else { a.element().unwrap_or(Type::TEXT) };
                        (Some(a), (left.0, self.coerce(right, to)?))
                    }
                    (_, b) if is_list(b) => {
                        let to = if left.1 == Type::UNKNOWN { b } else { b.element().unwrap_or(Type::TEXT) };
                        (Some(b), (self.coerce(left, to)?, right.0))
                    }
                    _ => (None, (self.coerce(left, Type::TEXT)?, self.coerce(right, Type::TEXT)?)),
                };
                Ok(match list {
                    Some(kind) => (pair(Operator::Join, node.0, node.1), kind),
                    None => (pair(Operator::Concat, node.0, node.1), Type::TEXT),
                })
            }
            Operator::Contains | Operator::Within | Operator::Overlaps => {
                let (nodes, _) = self.alike(vec![left, right])?;
                let [a, b] = <[Node; 2]>::try_from(nodes).map_err(|_| Fault::new(MISMATCH, "two arrays are needed"))?;
                Ok((pair(operator, a, b), Type::BOOL))
            }
            _ => {
                let common = match Self::common([left.1, right.1]) {
                    Type::UNKNOWN => Type::INT4,
                    common => common,
                };
                if !matches!(common.held(), Held::Int | Held::Float) {
                    return no_operator(kinds, "of arithmetic");
                }
                let (left, right) = (self.coerce(left, common)?, self.coerce(right, common)?);
                Ok((pair(operator, left, right), common))
            }
        }
    }

    /// Brings two values to one type, so that they can be compared.
    pub(super) fn comparable(&mut self, left: Typed, right: Typed) -> Result<(Node, Node)> {
        let (a, b) = (left.1, right.1);
        if let (Node::Row(a), Node::Row(b)) = (&left.0, &right.0)
            && a.len() != b.len()
        {
            return Err(Fault::new(MISMATCH, "unequal number of entries in row expressions"));
        }
        let common = match Self::common([a, b]) {
            Type::UNKNOWN => Type::TEXT,
            common => common,
        };
        let fits = |kind: Type| {
            kind == Type::UNKNOWN
                || kind.held() == common.held()
                || (kind.held() == Held::Int && common.held() == Held::Float)
                // A name that is compared with what names an object, or with an instant.
                || (kind.held() == Held::Text && (common.is_reference() || common.held() == Held::Instant))
                || (kind.is_reference() && common.held() == Held::Text)
        };
        if !fits(a) || !fits(b) {
            return no_operator((a, b), "=");
        }
        Ok((self.coerce(left, common)?, self.coerce(right, common)?))
    }

    fn unary(&mut self, op: &UnaryOperator, inner: &Expr) -> Result<Typed> {
        match op {
            UnaryOperator::Not => Ok((not(self.truth(inner)?), Type::BOOL)),
            UnaryOperator::Plus => self.expr(inner),
            UnaryOperator::Minus => {
                let (node, kind) = self.expr(inner)?;
                match node {
                    Node::Constant(Value::Int(number)) => Ok((Node::Constant(Value::Int(-number)), kind)),
                    node => Ok((Node::Minus(Box::new(node)), kind)),
                }
            }
            other => unsupported(format!("operator {other}")),
        }
    }

    /// Binds LIKE and ILIKE.
    fn like(
        &mut self,
        value: &Expr,
        pattern: &Expr,
        escape: Option<&ast::ValueWithSpan>,
        negated: bool,
        any_case: bool,
    ) -> Result<Typed> {
        let (value, mut pattern) = (self.expr(value)?, self.expr(pattern)?);
        if let Some(escape) = escape {
            let escape = self.value(&escape.value)?;
            pattern = self.call("like_escape", vec![pattern, escape])?;
        }
        self.apply(Operator::Like { any_case, negated }, value, pattern)
    }

    fn quantified(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, all: bool) -> Result<Typed> {
        let Some(operator) = operator(op) else { return unsupported(format!("operator {op}")) };
        match right {
            Expr::Subquery(query) => Ok((self.rows_of(left, operator, query, all)?, Type::BOOL)),
            Expr::Nested(inner) => self.quantified(left, op, inner, all),
            list => self.elements(left, operator, list, all),
        }
    }

    fn elements(&mut self, left: &Expr, operator: Operator, list: &Expr, all: bool) -> Result<Typed> {
        let (left, list) = (self.expr(left)?, self.expr(list)?);
        let (left, list) = match list.1.element() {
            // A text or a parameter is an array of what stands on the left.
            None if list.1 == Type::UNKNOWN => {
                let of = if left.1 == Type::UNKNOWN { Type::TEXT } else { left.1 };
                let array = of.array().unwrap_or(Type::TEXTS);
                (self.coerce(left, of)?, self.coerce(list, array)?)
            }
            None => return Err(Fault::new(MISMATCH, "op ANY/ALL (array) requires array on right side")),
            Some(element) if left.1 == Type::UNKNOWN => (self.coerce(left, element)?, list.0),
            // Names of objects are compared as texts with texts.
            Some(element) if left.1.held() != element.held() || left.1.is_reference() != element.is_reference() => {
                let of = left.1.array().unwrap_or(list.1);
                let list = if of.held() == Held::List { Node::Cast(Box::new(list.0), list.1, of) } else { list.0 };
                (left.0, list)
            }
            Some(_) => (left.0, list.0),
        };
        Ok((Node::Elements { left: Box::new(left), operator, list: Box::new(list), all }, Type::BOOL))
    }

    fn rows_of(&mut self, left: &Expr, operator: Operator, query: &ast::Query, all: bool) -> Result<Node> {
        let left = self.expr(left)?;
        let (query, kind) = self.subquery(query)?;
        let width = query.columns.len();
        let left = match &left.0 {
            Node::Row(items) if items.len() != width => {
                return Err(Fault::new(MISMATCH, "subquery has another number of columns"));
            }
            Node::Row(_) => left.0,
            _ if left.1 != Type::UNKNOWN && left.1.held() != kind.held() => Node::Cast(Box::new(left.0), left.1, kind),
            _ => self.coerce(left, kind)?,
        };
        Ok(Node::Rows { left: Box::new(left), operator, query, all })
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed> {
        let operand = operand.map(|operand| self.expr(operand)).transpose()?;
        let mut asked = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            asked.push(match &operand {
                None => self.truth(&when.condition)?,
                Some(operand) => {
                    let value = self.expr(&when.condition)?;
                    let (a, b) = self.comparable(operand.clone(), value)?;
                    pair(Operator::Equal, a, b)
                }
            });
            results.push(self.expr(&when.result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expr(otherwise)?,
            None => (Node::Constant(Value::Null), Type::UNKNOWN),
        });
        let (mut nodes, kind) = self.alike(results)?;
        let otherwise = nodes.pop().unwrap_or(Node::Constant(Value::Null));
        Ok((Node::Case(asked.into_iter().zip(nodes).collect(), Box::new(otherwise)), kind))
    }

    fn accesses(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Typed> {
        let (mut node, mut kind) = match (root, chain) {
            // `t.column[1]` may come as an access of the table.
            (Expr::Identifier(table), [AccessExpr::Dot(Expr::Identifier(column)), ..]) => {
                let typed = self.column(&[table.clone(), column.clone()])?;
                return self.accessed(typed, chain.get(1..).unwrap_or_default());
            }
            _ => self.expr(root)?,
        };
        (node, kind) = self.accessed((node, kind), chain)?;
        Ok((node, kind))
    }

    fn accessed(&mut self, (mut node, mut kind): Typed, chain: &[AccessExpr]) -> Result<Typed> {
        for access in chain {
            (node, kind) = match access {
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.expr(index)?;
                    let index = self.coerce(index, Type::INT4)?;
                    (Node::Index(Box::new(node), Box::new(index)), kind.element().unwrap_or(Type::TEXT))
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
                    let mut bound = |bound: &Option<Expr>| -> Result<Option<Box<Node>>> {
                        let Some(bound) = bound else { return Ok(None) };
                        let typed = self.expr(bound)?;
                        Ok(Some(Box::new(self.coerce(typed, Type::INT4)?)))
                    };
                    let (lower, upper) = (bound(lower_bound)?, bound(upper_bound)?);
                    (Node::Slice(Box::new(node), lower, upper), kind)
                }
                AccessExpr::Dot(Expr::Identifier(field)) => match (kind, folded(field).as_str()) {
                    (Type::NUMBERED, "n") => (Node::Field(Box::new(node), 1), Type::INT4),
                    (Type::NUMBERED, "x") => (Node::Field(Box::new(node), 0), Type::INT2),
                    (_, name) => return Err(Fault::new(NO_COLUMN, format!("there is no field \"{name}\""))),
                },
                other => return unsupported(other),
            };
        }
        Ok((node, kind))
    }
}

fn no_operator<T>((left, right): (Type, Type), operator: &str) -> Result<T> {
    let (left, right) = (sql_name(left.0, None), sql_name(right.0, None));
    Err(Fault::new(NO_FUNCTION, format!("operator does not exist: {left} {operator} {right}"))
        .with_hint("add a cast to one of the sides"))
}

fn not(node: Node) -> Node {
    Node::Not(Box::new(node))
}

fn negate(node: Node, negated: bool) -> Node {
    if negated { not(node) } else { node }
}

fn pair(operator: Operator, left: Node, right: Node) -> Node {
    Node::Binary(operator, Box::new(left), Box::new(right))
}
