// A tiny Lisp: reader, closures, special forms with tail calls, lists, numbers and strings, errors as exceptions.
// Exercises classes and virtual dispatch, exceptions, smart pointers, hash maps, strings and lambdas in tables.
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lisp {

class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class SyntaxError : public Error {
public:
    SyntaxError(const std::string &what, std::size_t at) : Error(what), position(at) {}
    const std::size_t position;
};

class Object {
public:
    virtual ~Object() = default;
    virtual const char *type() const = 0;
    virtual std::string print() const = 0;
    virtual bool equals(const Object &other) const { return this == &other; }
    virtual bool truthy() const { return true; }
};

using Value = std::shared_ptr<const Object>;
using Values = std::vector<Value>;

class Number final : public Object {
public:
    explicit Number(double v) : value(v) {}
    const char *type() const override { return "number"; }
    std::string print() const override
    {
        char text[40];
        std::snprintf(text, sizeof text, "%.15g", value);
        return text;
    }
    bool equals(const Object &other) const override
    {
        const auto *n = dynamic_cast<const Number *>(&other);
        return n && n->value == value;
    }
    const double value;
};

class String final : public Object {
public:
    explicit String(std::string t) : text(std::move(t)) {}
    const char *type() const override { return "string"; }
    std::string print() const override
    {
        std::string out = "\"";
        for (char c : text) {
            switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            default: out += c;
            }
        }
        return out + '"';
    }
    bool equals(const Object &other) const override
    {
        const auto *s = dynamic_cast<const String *>(&other);
        return s && s->text == text;
    }
    const std::string text;
};

class Symbol final : public Object {
public:
    explicit Symbol(std::string n) : name(std::move(n)) {}
    const char *type() const override { return "symbol"; }
    std::string print() const override { return name; }
    bool equals(const Object &other) const override
    {
        const auto *s = dynamic_cast<const Symbol *>(&other);
        return s && s->name == name;
    }
    const std::string name;
};

// The empty list is the only thing that is false.
class List final : public Object {
public:
    explicit List(Values v) : items(std::move(v)) {}
    const char *type() const override { return "list"; }
    std::string print() const override
    {
        std::string out = "(";
        for (const Value &v : items) {
            if (out.size() > 1)
                out += ' ';
            out += v->print();
        }
        return out + ')';
    }
    bool equals(const Object &other) const override
    {
        const auto *l = dynamic_cast<const List *>(&other);
        if (!l || l->items.size() != items.size())
            return false;
        for (std::size_t i = 0; i < items.size(); i++)
            if (!items[i]->equals(*l->items[i]))
                return false;
        return true;
    }
    bool truthy() const override { return !items.empty(); }
    const Values items;
};

class Environment {
public:
    explicit Environment(std::shared_ptr<Environment> outer = nullptr) : outer_(std::move(outer)) {}
    void define(const std::string &name, Value v) { names_[name] = std::move(v); }
    Value &find(const std::string &name)
    {
        for (Environment *e = this; e; e = e->outer_.get()) {
            auto found = e->names_.find(name);
            if (found != e->names_.end())
                return found->second;
        }
        throw Error("unknown name: " + name);
    }
    void clear() { names_.clear(); } // closures and their environment own each other

private:
    std::unordered_map<std::string, Value> names_;
    std::shared_ptr<Environment> outer_;
};

class Builtin final : public Object {
public:
    using Body = std::function<Value(const Values &)>;
    Builtin(std::string n, std::size_t low, std::size_t high, Body b)
        : name(std::move(n)), least(low), most(high), body(std::move(b)) {}
    const char *type() const override { return "builtin"; }
    std::string print() const override { return "<builtin " + name + ">"; }
    const std::string name;
    const std::size_t least, most;
    const Body body;
};

class Closure final : public Object {
public:
    Closure(std::vector<std::string> p, Values b, std::shared_ptr<Environment> e)
        : parameters(std::move(p)), body(std::move(b)), environment(std::move(e)) {}
    const char *type() const override { return "function"; }
    std::string print() const override { return "<function of " + std::to_string(parameters.size()) + ">"; }
    const std::vector<std::string> parameters;
    const Values body;
    const std::shared_ptr<Environment> environment;
};

Value number(double v) { return std::make_shared<Number>(v); }
Value list(Values v) { return std::make_shared<List>(std::move(v)); }
Value boolean(bool b) { return b ? Value(std::make_shared<Symbol>("t")) : list({}); }

template <class T>
const T &as(const Value &v, const char *wanted)
{
    const auto *t = dynamic_cast<const T *>(v.get());
    if (!t)
        throw Error(std::string(wanted) + " expected, not a " + v->type());
    return *t;
}

double as_number(const Value &v) { return as<Number>(v, "number").value; }
const Values &as_list(const Value &v) { return as<List>(v, "list").items; }
const std::string &as_name(const Value &v) { return as<Symbol>(v, "symbol").name; }

class Reader {
public:
    explicit Reader(std::string text) : text_(std::move(text)) {}

    bool at_end()
    {
        while (at_ < text_.size() && (std::isspace(static_cast<unsigned char>(text_[at_])) || text_[at_] == ';')) {
            if (text_[at_] == ';')
                while (at_ < text_.size() && text_[at_] != '\n')
                    at_++;
            else
                at_++;
        }
        return at_ == text_.size();
    }

    Value read()
    {
        if (at_end())
            throw SyntaxError("unexpected end", at_);
        switch (text_[at_]) {
        case '(': {
            Values items;
            const std::size_t start = at_++;
            while (!at_end() && text_[at_] != ')')
                items.push_back(read());
            if (at_ == text_.size())
                throw SyntaxError("list without an end", start);
            at_++;
            return list(std::move(items));
        }
        case ')': throw SyntaxError("unexpected ')'", at_);
        case '\'':
            at_++;
            return list({std::make_shared<Symbol>("quote"), read()});
        case '"': return read_string();
        default: return read_atom();
        }
    }

private:
    Value read_string()
    {
        std::string out;
        const std::size_t start = at_++;
        while (at_ < text_.size() && text_[at_] != '"') {
            char c = text_[at_++];
            if (c == '\\' && at_ < text_.size()) {
                c = text_[at_++];
                c = c == 'n' ? '\n' : c;
            }
            out += c;
        }
        if (at_ == text_.size())
            throw SyntaxError("string without an end", start);
        at_++;
        return std::make_shared<String>(std::move(out));
    }

    Value read_atom()
    {
        const std::size_t start = at_;
        while (at_ < text_.size() && !std::isspace(static_cast<unsigned char>(text_[at_]))
               && std::string("()'\";").find(text_[at_]) == std::string::npos)
            at_++;
        const std::string word = text_.substr(start, at_ - start);
        const char first = word[0] == '-' && word.size() > 1 ? word[1] : word[0];
        if (std::isdigit(static_cast<unsigned char>(first))) {
            char *end = nullptr;
            const double v = std::strtod(word.c_str(), &end);
            if (*end)
                throw SyntaxError("bad number: " + word, start);
            return number(v);
        }
        return std::make_shared<Symbol>(word);
    }

    std::string text_;
    std::size_t at_ = 0;
};

class Interpreter {
public:
    Interpreter() : global_(std::make_shared<Environment>()) { define_builtins(); }
    ~Interpreter()
    {
        for (auto &e : frames_)
            if (auto frame = e.lock())
                frame->clear();
        global_->clear();
    }
    Interpreter(const Interpreter &) = delete;
    Interpreter &operator=(const Interpreter &) = delete;

    // Evaluates everything in the text; the result is that of the last form.
    Value run(const std::string &text)
    {
        Reader reader(text);
        Value result = list({});
        depth_ = 0;
        while (!reader.at_end())
            result = evaluate(reader.read(), global_);
        return result;
    }

private:
    enum class Form { quote, if_, define, set, lambda, let, begin, and_, or_, while_ };
    static constexpr int max_depth = 400;

    struct Depth {
        explicit Depth(int &d) : depth(d)
        {
            if (depth >= max_depth)
                throw Error("nested too deeply");
            depth++;
        }
        ~Depth() { depth--; }
        int &depth;
    };

    std::shared_ptr<Environment> new_frame(std::shared_ptr<Environment> outer)
    {
        auto frame = std::make_shared<Environment>(std::move(outer));
        if (frames_.size() >= sweep_at_) {
            std::size_t kept = 0;
            for (auto &f : frames_)
                if (!f.expired())
                    frames_[kept++] = f;
            frames_.resize(kept);
            sweep_at_ = 2 * kept + 64;
        }
        frames_.push_back(frame);
        return frame;
    }

    static void need(const Values &items, std::size_t least, const char *form)
    {
        if (items.size() < least + 1)
            throw Error(std::string("too few parts in ") + form);
    }

    Value make_closure(const Value &parameters, const Values &items, std::size_t from, std::shared_ptr<Environment> env)
    {
        std::vector<std::string> names;
        for (const Value &p : as_list(parameters))
            names.push_back(as_name(p));
        return std::make_shared<Closure>(std::move(names), Values(items.begin() + static_cast<std::ptrdiff_t>(from), items.end()), std::move(env));
    }

    // All but the last; the caller goes on with that one, so that tail calls need no stack.
    Value all_but_last(const Values &items, std::size_t from, const std::shared_ptr<Environment> &env)
    {
        for (std::size_t i = from; i + 1 < items.size(); i++)
            evaluate(items[i], env);
        return items.back();
    }

    Value evaluate(Value v, std::shared_ptr<Environment> env)
    {
        Depth guard(depth_);
        for (;;) {
            if (const auto *symbol = dynamic_cast<const Symbol *>(v.get()))
                return env->find(symbol->name);
            const auto *form = dynamic_cast<const List *>(v.get());
            if (!form)
                return v;
            const Values &items = form->items;
            if (items.empty())
                return v;
            if (const auto *head = dynamic_cast<const Symbol *>(items[0].get())) {
                const auto special = forms_.find(head->name);
                if (special != forms_.end()) {
                    Value next = evaluate_form(special->second, items, env);
                    if (!tail_)
                        return next;
                    tail_ = false;
                    v = std::move(next);
                    continue;
                }
            }
            Value callee = evaluate(items[0], env);
            Values arguments;
            for (std::size_t i = 1; i < items.size(); i++)
                arguments.push_back(evaluate(items[i], env));
            if (const auto *builtin = dynamic_cast<const Builtin *>(callee.get()))
                return call_builtin(*builtin, arguments);
            env = enter(callee, arguments);
            const auto &closure = static_cast<const Closure &>(*callee);
            v = all_but_last(closure.body, 0, env);
        }
    }

    // Sets tail_ when the result is still to be evaluated, in env.
    Value evaluate_form(Form f, const Values &items, std::shared_ptr<Environment> &env)
    {
        switch (f) {
        case Form::quote:
            need(items, 1, "quote");
            return items[1];
        case Form::if_: {
            need(items, 2, "if");
            const bool yes = evaluate(items[1], env)->truthy();
            if (!yes && items.size() < 4)
                return list({});
            tail_ = true;
            return items[yes ? 2 : 3];
        }
        case Form::define: {
            need(items, 2, "define");
            if (const auto *head = dynamic_cast<const List *>(items[1].get())) {
                if (head->items.empty())
                    throw Error("name expected in define");
                Values rest(head->items.begin() + 1, head->items.end());
                Value closure = make_closure(list(std::move(rest)), items, 2, env);
                env->define(as_name(head->items[0]), closure);
                return closure;
            }
            Value v = evaluate(items[2], env);
            env->define(as_name(items[1]), v);
            return v;
        }
        case Form::set: {
            need(items, 2, "set!");
            Value v = evaluate(items[2], env);
            env->find(as_name(items[1])) = v;
            return v;
        }
        case Form::lambda:
            need(items, 2, "lambda");
            return make_closure(items[1], items, 2, env);
        case Form::let: {
            need(items, 2, "let");
            auto frame = new_frame(env);
            for (const Value &binding : as_list(items[1])) {
                const Values &pair = as_list(binding);
                if (pair.size() != 2)
                    throw Error("name and value expected in let");
                frame->define(as_name(pair[0]), evaluate(pair[1], frame));
            }
            Value last = all_but_last(items, 2, frame);
            env = std::move(frame);
            tail_ = true;
            return last;
        }
        case Form::begin: {
            need(items, 1, "begin");
            Value last = all_but_last(items, 1, env);
            tail_ = true;
            return last;
        }
        case Form::and_:
        case Form::or_: {
            Value v = boolean(f == Form::and_);
            for (std::size_t i = 1; i < items.size(); i++) {
                v = evaluate(items[i], env);
                if (v->truthy() == (f == Form::or_))
                    break;
            }
            return v;
        }
        case Form::while_:
            need(items, 2, "while");
            while (evaluate(items[1], env)->truthy())
                for (std::size_t i = 2; i < items.size(); i++)
                    evaluate(items[i], env);
            return list({});
        }
        throw Error("unknown form");
    }

    Value call_builtin(const Builtin &b, const Values &arguments)
    {
        if (arguments.size() < b.least || arguments.size() > b.most)
            throw Error("wrong number of arguments for " + b.name);
        return b.body(arguments);
    }

    std::shared_ptr<Environment> enter(const Value &callee, const Values &arguments)
    {
        const auto &closure = as<Closure>(callee, "function");
        if (arguments.size() != closure.parameters.size())
            throw Error("wrong number of arguments: " + std::to_string(arguments.size()));
        auto frame = new_frame(closure.environment);
        for (std::size_t i = 0; i < arguments.size(); i++)
            frame->define(closure.parameters[i], arguments[i]);
        return frame;
    }

    Value call(const Value &callee, const Values &arguments)
    {
        if (const auto *b = dynamic_cast<const Builtin *>(callee.get()))
            return call_builtin(*b, arguments);
        auto frame = enter(callee, arguments);
        Value last = all_but_last(static_cast<const Closure &>(*callee).body, 0, frame);
        return evaluate(last, frame);
    }

    void builtin(const std::string &name, std::size_t least, std::size_t most, Builtin::Body body)
    {
        global_->define(name, std::make_shared<Builtin>(name, least, most, std::move(body)));
    }

    void fold(const std::string &name, double start, double (*step)(double, double))
    {
        builtin(name, 1, 99, [start, step](const Values &a) {
            double total = a.size() == 1 ? step(start, as_number(a[0])) : as_number(a[0]);
            for (std::size_t i = 1; i < a.size(); i++)
                total = step(total, as_number(a[i]));
            return number(total);
        });
    }

    void compare(const std::string &name, bool (*holds)(double, double))
    {
        builtin(name, 2, 99, [holds](const Values &a) {
            for (std::size_t i = 1; i < a.size(); i++)
                if (!holds(as_number(a[i - 1]), as_number(a[i])))
                    return boolean(false);
            return boolean(true);
        });
    }

    void define_builtins()
    {
        global_->define("t", std::make_shared<Symbol>("t"));
        global_->define("nil", list({}));
        fold("+", 0, [](double a, double b) { return a + b; });
        fold("-", 0, [](double a, double b) { return a - b; });
        fold("*", 1, [](double a, double b) { return a * b; });
        fold("/", 1, [](double a, double b) {
            if (b == 0)
                throw Error("division by zero");
            return a / b;
        });
        compare("<", [](double a, double b) { return a < b; });
        compare("<=", [](double a, double b) { return a <= b; });
        compare(">", [](double a, double b) { return a > b; });
        compare(">=", [](double a, double b) { return a >= b; });
        builtin("mod", 2, 2, [](const Values &a) {
            const double d = as_number(a[1]);
            if (d == 0)
                throw Error("division by zero");
            return number(as_number(a[0]) - d * std::floor(as_number(a[0]) / d));
        });
        builtin("sqrt", 1, 1, [](const Values &a) { return number(std::sqrt(as_number(a[0]))); });
        builtin("=", 2, 2, [](const Values &a) { return boolean(a[0]->equals(*a[1])); });
        builtin("not", 1, 1, [](const Values &a) { return boolean(!a[0]->truthy()); });
        builtin("list", 0, 99, [](const Values &a) { return list(a); });
        builtin("length", 1, 1, [](const Values &a) { return number(static_cast<double>(as_list(a[0]).size())); });
        builtin("first", 1, 1, [](const Values &a) {
            const Values &l = as_list(a[0]);
            return l.empty() ? throw Error("first of an empty list") : l.front();
        });
        builtin("rest", 1, 1, [](const Values &a) {
            const Values &l = as_list(a[0]);
            return l.empty() ? throw Error("rest of an empty list") : list(Values(l.begin() + 1, l.end()));
        });
        builtin("cons", 2, 2, [](const Values &a) {
            Values l{a[0]};
            l.insert(l.end(), as_list(a[1]).begin(), as_list(a[1]).end());
            return list(std::move(l));
        });
        builtin("join", 0, 99, [](const Values &a) {
            std::string out;
            for (const Value &v : a) {
                const auto *s = dynamic_cast<const String *>(v.get());
                out += s ? s->text : v->print();
            }
            return Value(std::make_shared<String>(std::move(out)));
        });
        builtin("error", 1, 1, [](const Values &a) -> Value { throw Error(as<String>(a[0], "string").text); });
        builtin("apply", 2, 2, [this](const Values &a) { return call(a[0], as_list(a[1])); });
        builtin("map", 2, 2, [this](const Values &a) {
            Values out;
            for (const Value &v : as_list(a[1]))
                out.push_back(call(a[0], {v}));
            return list(std::move(out));
        });
        builtin("attempt", 2, 2, [this](const Values &a) { // the second is called with the message of an error
            try {
                return call(a[0], {});
            } catch (const Error &e) {
                return call(a[1], {std::make_shared<String>(e.what())});
            }
        });
    }

    const std::unordered_map<std::string, Form> forms_ = {
        {"quote", Form::quote}, {"if", Form::if_}, {"define", Form::define}, {"set!", Form::set},
        {"lambda", Form::lambda}, {"let", Form::let}, {"begin", Form::begin}, {"and", Form::and_},
        {"or", Form::or_}, {"while", Form::while_},
    };
    std::shared_ptr<Environment> global_;
    std::vector<std::weak_ptr<Environment>> frames_;
    std::size_t sweep_at_ = 64;
    int depth_ = 0;
    bool tail_ = false;
};

} // namespace lisp

static int checks;
#define CHECK(cond)                                                                   \
    do {                                                                              \
        checks++;                                                                     \
        if (!(cond)) {                                                                \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);   \
            return 1;                                                                 \
        }                                                                             \
    } while (0)

static std::string outcome(lisp::Interpreter &i, const char *text)
{
    try {
        return i.run(text)->print();
    } catch (const lisp::SyntaxError &e) {
        return std::string("syntax: ") + e.what() + " at " + std::to_string(e.position);
    } catch (const lisp::Error &e) {
        return std::string("error: ") + e.what();
    }
}

int main()
{
    static const struct { const char *in, *out; } cases[] = {
        {"", "()"}, {"42", "42"}, {"-1.5e3", "-1500"}, {"\"a\\\"b\\n\"", "\"a\\\"b\\n\""}, {"'(a (b c) 1)", "(a (b c) 1)"},
        {"(+ 1 2 3)", "6"}, {"(- 5)", "-5"}, {"(- 10 3 2)", "5"}, {"(* 2 3.5)", "7"}, {"(/ 4)", "0.25"}, {"(mod -7 3)", "2"},
        {"(< 1 2 3)", "t"}, {"(< 1 3 2)", "()"}, {"(>= 3 3 2)", "t"}, {"(= '(1 \"x\" y) '(1 \"x\" y))", "t"}, {"(= '(1) '(1 2))", "()"},
        {"(if nil 1)", "()"}, {"(if (list) 1 2)", "2"}, {"(and 1 2)", "2"}, {"(and nil (error \"no\"))", "()"}, {"(or nil 3)", "3"}, {"(or)", "()"},
        {"(let ((x 2) (y (* x 3))) (+ x y))", "8"}, {"((lambda (x) (* x x)) 12)", "144"},
        {"(define (fact n) (if (< n 2) 1 (* n (fact (- n 1))))) (fact 20)", "2.43290200817664e+18"},
        {"(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (map fib '(0 1 2 3 10 14))", "(0 1 1 2 55 377)"},
        {"(define (count n acc) (if (= n 0) acc (count (- n 1) (+ acc 1)))) (count 3000 0)", "3000"},
        {"(define (counter) (let ((n 0)) (lambda () (set! n (+ n 1))))) (define c (counter)) (c) (c) (list (c) ((counter)))", "(3 1)"},
        {"(define s 0) (define i 0) (while (< i 50) (set! i (+ i 1)) (set! s (+ s (* i i)))) s", "42925"},
        {"(define (filter f l) (if l (if (f (first l)) (cons (first l) (filter f (rest l))) (filter f (rest l))) l))"
         "(define (range a b) (if (< a b) (cons a (range (+ a 1) b)) nil))"
         "(define (sort l) (if l (let ((p (first l)) (r (rest l))) (append (sort (filter (lambda (x) (< x p)) r))"
         " (cons p (sort (filter (lambda (x) (>= x p)) r))))) l))"
         "(define (append a b) (if a (cons (first a) (append (rest a) b)) b))"
         "(sort (map (lambda (x) (mod (* x 7) 11)) (range 1 11)))", "(1 2 3 4 5 6 7 8 9 10)"},
        {"(apply + '(1 2 3))", "6"}, {"(length '(a b))", "2"}, {"(sqrt 2)", "1.4142135623731"}, {"(join \"n=\" 3 '(a) \"!\")", "\"n=3(a)!\""},
        {"; a comment\n(begin 1 2 ; another\n 3)", "3"}, {"+", "<builtin +>"}, {"fact", "<function of 1>"},
        {"(attempt (lambda () (/ 1 0)) (lambda (m) (join \"caught \" m)))", "\"caught division by zero\""},
        {"(attempt (lambda () 5) (lambda (m) m))", "5"},
        {"(undefined 1)", "error: unknown name: undefined"}, {"(1 2)", "error: function expected, not a number"},
        {"(fact 1 2)", "error: wrong number of arguments: 2"}, {"(first 3)", "error: list expected, not a number"},
        {"(+ 1 \"a\")", "error: number expected, not a string"}, {"(first nil)", "error: first of an empty list"},
        {"(mod 1)", "error: wrong number of arguments for mod"}, {"(if)", "error: too few parts in if"},
        {"(set! nowhere 1)", "error: unknown name: nowhere"}, {"(define (f) (+ 1 (f))) (f)", "error: nested too deeply"},
        {"(let ((x)) x)", "error: name and value expected in let"}, {"(error \"mine\")", "error: mine"},
        {"(+ 1 2", "syntax: list without an end at 0"}, {"(a))", "error: unknown name: a"}, {")", "syntax: unexpected ')' at 0"},
        {"1 \"abc", "syntax: string without an end at 2"}, {"12x", "syntax: bad number: 12x at 0"}, {"'", "syntax: unexpected end at 1"},
        {"(fact 5)", "120"},
    };
    lisp::Interpreter interpreter;
    for (const auto &c : cases) {
        const std::string got = outcome(interpreter, c.in);
        if (got != c.out)
            std::fprintf(stderr, "%s gave %s\n", c.in, got.c_str());
        CHECK(got == c.out);
    }
    lisp::Interpreter other;
    CHECK(outcome(other, "fact") == "error: unknown name: fact");
    std::printf("interpreter: %d checks passed\n", checks);
    return 0;
}
