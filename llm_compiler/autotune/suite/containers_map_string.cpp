// std::string and std::map: short and long strings, searching and replacing, ordered keys, erasing while walking.
#include <map>
#include <string>

static int bad; /* the line of the first failed check is the exit status */
#define CHECK(c) do { if (!(c) && !bad) bad = __LINE__; } while (0)
#define NOINLINE __attribute__((noinline))

NOINLINE static std::map<std::string, int> count_words(const std::string &text)
{
    std::map<std::string, int> counts;
    std::string::size_type at = 0;
    while ((at = text.find_first_not_of(" ,.", at)) != std::string::npos) {
        std::string::size_type end = text.find_first_of(" ,.", at);
        ++counts[text.substr(at, end - at)];
        at = end;
        if (end == std::string::npos)
            break;
    }
    return counts;
}
NOINLINE static std::string repeated(const std::string &s, int n)
{
    std::string r;
    for (int i = 0; i < n; i++)
        r += s;
    return r;
}
NOINLINE static std::string replace_all(std::string s, const std::string &from, const std::string &to)
{
    for (std::string::size_type at = 0; (at = s.find(from, at)) != std::string::npos; at += to.size())
        s.replace(at, from.size(), to);
    return s;
}
NOINLINE static std::string roman(int n)
{
    static const std::map<int, const char *, std::greater<int>> values = {
        {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
        {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}};
    std::string r;
    for (const auto &v : values)
        for (; n >= v.first; n -= v.first)
            r += v.second;
    return r;
}

int main()
{
    auto counts = count_words("the cat, the dog. a cat the end");
    CHECK(counts.size() == 5 && counts["the"] == 3 && counts["cat"] == 2 && counts.begin()->first == "a");
    CHECK(counts.count("bird") == 0 && counts["bird"] == 0 && counts.size() == 6);
    for (auto it = counts.begin(); it != counts.end();)
        it = it->second < 2 ? counts.erase(it) : std::next(it);
    CHECK(counts.size() == 2 && counts.rbegin()->first == "the" && count_words("").empty());

    std::string s = "short";
    std::string t = s;
    t[0] = 'S';
    CHECK(s == "short" && t == "Short" && t < s && s.compare(0, 2, "sh") == 0);
    CHECK(repeated("abc", 20).size() == 60 && repeated("abc", 20).rfind("abc") == 57 && repeated("", 5).empty());
    CHECK(replace_all("aXbXXc", "X", "--") == "a--b----c" && replace_all("aaaa", "aa", "a") == "aa");
    std::string big(100, 'q');
    big.insert(50, "middle").erase(0, 45);
    CHECK(big.size() == 61 && big.substr(0, 12) == "qqqqqmiddleq" && big.find('z') == std::string::npos);
    s = s + '-' + std::to_string(-42) + "-" + std::to_string(7u);
    CHECK(s == "short--42-7" && std::stoi("123x") == 123);
    CHECK(roman(1994) == "MCMXCIV" && roman(3888).size() == 15 && roman(0).empty());
    int caught = 0;
    try {
        (void)t.at(5);
    } catch (const std::exception &) {
        caught++;
    }
    try {
        std::stoi("none");
    } catch (const std::exception &) {
        caught += 10;
    }
    CHECK(caught == 11);
    std::map<int, std::string> m;
    for (int i = 0; i < 100; i++)
        m[i * 37 % 100].assign(unsigned(i % 5), char('a' + i % 26));
    int last = -1;
    bool ordered = true;
    for (auto &entry : m) {
        ordered = ordered && entry.first == last + 1 && entry.second.size() == unsigned(entry.first * 73 % 100 % 5);
        last = entry.first;
    }
    CHECK(ordered && last == 99 && m.lower_bound(50)->first == 50 && m.upper_bound(99) == m.end());
    return bad;
}
