// Goal: rows are cut out and put together to the byte, whatever the pieces are, and pieces that lie are refused with
// what is wrong. Method: tensors whose elements tell where they belong.
#include "eddy/tensor_rows.hpp"

#include <array>
#include <numeric>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "eddy/partial_sums.hpp"
#include "eddy/random.hpp"

using namespace eddy;

namespace {

HostTensor numbered(std::vector<int64_t> shape, DType dtype = DType::f32) {
    HostTensor made;
    made.meta.value = ValueId{7};
    made.meta.shape = std::move(shape);
    made.meta.dtype = dtype;
    const uint64_t size = made.meta.bytes().value();
    auto bytes = allocate_bytes(size);
    for (uint64_t i = 0; i < size; ++i) bytes.get()[i] = static_cast<std::byte>(i * 31 + i / 251);
    made.bytes = {std::move(bytes), size};
    return made;
}

bool equal(const HostTensor& a, const HostTensor& b) {
    return a.meta == b.meta && a.bytes.size() == b.bytes.size() &&
           std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

/// The same numbers with channels last, as [1, C, H, W] may have them.
HostTensor channels_last(const HostTensor& image) {
    HostTensor made = image;
    made.meta.channels_last = true;
    const auto& shape = image.meta.shape;
    const auto channels = static_cast<size_t>(shape[1]);
    const auto pixels = static_cast<size_t>(shape[2] * shape[3]);
    const size_t size = bytes_per_element(image.meta.dtype);
    auto bytes = allocate_bytes(image.bytes.size());
    for (size_t channel = 0; channel < channels; ++channel)
        for (size_t pixel = 0; pixel < pixels; ++pixel)
            std::memcpy(bytes.get() + (pixel * channels + channel) * size,
                        image.bytes.data() + (channel * pixels + pixel) * size, size);
    made.bytes = {std::move(bytes), image.bytes.size()};
    return made;
}

HostTensor must_take(const HostTensor& whole, Rows rows) { return take_rows(whole.meta, whole, rows).value(); }

std::string refusal(const Result<HostTensor>& result) { return result ? "" : result.error().message; }

HostTensor sums(std::vector<float> values, Rows rows) {
    HostTensor made;
    made.meta.value = ValueId{3};
    made.meta.shape = {1, static_cast<int64_t>(values.size()), 1, 1};
    made.meta.rows = rows;
    auto bytes = allocate_bytes(values.size() * sizeof(float));
    std::memcpy(bytes.get(), values.data(), values.size() * sizeof(float));
    made.bytes = {std::move(bytes), values.size() * sizeof(float)};
    return made;
}

}  // namespace

TEST_CASE("a row of an image is one of each channel, a row of a frame lies in one stretch") {
    const HostTensor image = numbered({1, 2, 3, 5});
    const HostTensor rows = must_take(image, {1, 3});
    CHECK(rows.meta.shape == std::vector<int64_t>{1, 2, 2, 5});
    CHECK(rows.meta.rows == Rows{1, 3});
    CHECK(rows.meta.value == ValueId{7});
    CHECK(std::memcmp(rows.bytes.data(), image.bytes.data() + 20, 40) == 0);
    CHECK(std::memcmp(rows.bytes.data() + 40, image.bytes.data() + 80, 40) == 0);
    const HostTensor frame = numbered({4, 6, 3}, DType::u8);
    const HostTensor bottom = must_take(frame, {3, UINT32_MAX});
    CHECK(bottom.meta.shape == std::vector<int64_t>{1, 6, 3});
    CHECK(std::memcmp(bottom.bytes.data(), frame.bytes.data() + 54, 18) == 0);
}

TEST_CASE("all rows of a piece are the piece itself, and whole tensors tell rows by the default") {
    const HostTensor image = numbered({1, 2, 3, 5});
    CHECK(must_take(image, {}).bytes.data() == image.bytes.data());
    CHECK(must_take(image, {0, 3}).meta == image.meta);
    const HostTensor vector = numbered({1, 10});
    CHECK(must_take(vector, {0, 1}).meta == vector.meta);
}

TEST_CASE("any cover of overlapping pieces in any order gives the rows wanted, to the byte") {
    CHECK(rc::check("any cover", [](uint64_t seed) {
        Random random(seed);
        const auto below = [&](int64_t bound) {
            return static_cast<uint32_t>(random.below(static_cast<uint64_t>(bound)));
        };
        const bool is_frame = random.chance(0.3);
        const int64_t height = 1 + below(12);
        constexpr std::array types{DType::boolean, DType::f16, DType::f32, DType::f64};
        const HostTensor whole =
            is_frame ? numbered({height, 4, 3}, DType::u8)
                     : numbered({1, 1 + below(4), height, 1 + below(5)}, types[random.below(types.size())]);
        const HostTensor other = is_frame ? whole : channels_last(whole);
        const auto& either = [&]() -> const HostTensor& { return random.chance(0.5) ? whole : other; };
        const uint32_t begin = below(height);
        const Rows wanted{begin, begin + 1 + below(height - begin)};
        std::vector<HostTensor> pieces;
        for (uint32_t row = wanted.begin; row < wanted.end;) {  // a cover
            const uint32_t end = row + 1 + below(height - row);
            pieces.push_back(must_take(either(), {row - below(row + 1), end}));
            row = end;
        }
        for (uint32_t extra = below(3); extra > 0; --extra) {
            const uint32_t row = below(height);
            pieces.push_back(must_take(either(), {row, row + 1 + below(height - row)}));
        }
        HostTensor foreign = numbered({2, 2});
        foreign.meta.value = ValueId{8};
        pieces.push_back(foreign);
        for (size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[random.below(i)]);
        const auto made = assemble_rows(whole.meta, wanted, pieces);
        RC_ASSERT(made.ok());
        RC_ASSERT(equal(*made, must_take(whole, wanted)));
    }));
}

TEST_CASE("a piece that is just what is wanted is not copied") {
    const HostTensor whole = numbered({1, 3, 8, 2});
    const std::vector<HostTensor> pieces{must_take(whole, {0, 5}), must_take(whole, {2, 6})};
    CHECK(assemble_rows(whole.meta, {2, 6}, pieces)->bytes.data() == pieces[1].bytes.data());
    CHECK(assemble_rows(whole.meta, {}, std::vector{whole})->bytes.data() == whole.bytes.data());
}

TEST_CASE("rows that lie together are shared, unless they would keep much more in memory") {
    for (const HostTensor& whole : {channels_last(numbered({1, 4, 8, 2})), numbered({8, 8, 3}, DType::u8)}) {
        const uint64_t row = whole.bytes.size() / 8;
        const HostTensor many = must_take(whole, {3, 7});
        CHECK(many.bytes.data() == whole.bytes.data() + 3 * row);
        CHECK(many.bytes.size() == 4 * row);
        CHECK(many.meta.channels_last == whole.meta.channels_last);
        CHECK(many.meta.rows == Rows{3, 7});
        const HostTensor few = must_take(whole, {3, 6});
        CHECK(few.bytes.data() != whole.bytes.data() + 3 * row);
        CHECK(std::memcmp(few.bytes.data(), whole.bytes.data() + 3 * row, 3 * row) == 0);
    }
    // The wire needs addresses that are multiples of 8.
    const HostTensor odd = channels_last(numbered({1, 3, 4, 1}));
    CHECK(must_take(odd, {2, 4}).bytes.data() == odd.bytes.data() + 24);
    const HostTensor copied = must_take(odd, {1, 4});
    CHECK(copied.bytes.data() != odd.bytes.data() + 12);
    CHECK(std::memcmp(copied.bytes.data(), odd.bytes.data() + 12, 36) == 0);
}

TEST_CASE("what is put together has its channels not last, even if it is one piece that has") {
    const HostTensor whole = numbered({1, 3, 8, 2});
    const std::vector<HostTensor> pieces{channels_last(whole)};
    CHECK(equal(*assemble_rows(whole.meta, {}, pieces), whole));
    CHECK(equal(*assemble_rows(pieces[0].meta, {2, 5}, pieces), must_take(whole, {2, 5})));
}

TEST_CASE("the first row that is missing is named, with its value") {
    const HostTensor whole = numbered({1, 3, 8, 2});
    const std::vector<HostTensor> pieces{must_take(whole, {6, 8}), must_take(whole, {0, 3}), must_take(whole, {1, 4})};
    CHECK(refusal(assemble_rows(whole.meta, {1, 8}, pieces)) == "value 7: row 4 is missing of rows 1 to 8");
    CHECK(refusal(assemble_rows(whole.meta, {5, 7}, pieces)) == "value 7: row 5 is missing of rows 5 to 7");
    CHECK(refusal(assemble_rows(whole.meta, {}, {})) == "value 7: row 0 is missing of rows 0 to 8");
    CHECK(refusal(assemble_rows(whole.meta, {4, 9}, pieces)).find("has 8 rows") != std::string::npos);
    CHECK(refusal(assemble_rows(whole.meta, {4, 4}, pieces)).find("wanted are rows 4 to 4") != std::string::npos);
}

TEST_CASE("a piece that is not what it claims is refused") {
    const HostTensor whole = numbered({1, 3, 8, 2});
    const HostTensor good = must_take(whole, {2, 5});
    const auto spoilt = [&](const auto& spoil) {
        HostTensor piece = good;
        spoil(piece);
        CHECK_FALSE(take_rows(whole.meta, piece, {3, 4}).ok());
        // Refused even if others would do.
        return refusal(assemble_rows(whole.meta, {2, 5}, std::vector{good, piece}));
    };
    CHECK(spoilt([](HostTensor& p) { p.meta.dtype = DType::i32; }).find("type, shape or bytes of rows 2 to 5") !=
          std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.shape[2] = 4; }).find("type, shape or bytes") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.shape = {1, 3, 6}; }).find("type, shape or bytes") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.shape[1] = -3; }).find("type, shape or bytes") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) {
              p.bytes = {p.bytes.owner(), p.bytes.size() - 1};
          }).find("bytes") != std::string::npos);
    CHECK(refusal(take_rows(numbered({4, 6, 3}, DType::u8).meta,
                            [] {
                                HostTensor frame = numbered({4, 6, 3}, DType::u8);
                                frame.meta.channels_last = true;
                                return frame;
                            }(),
                            {1, 2}))
              .find("type, shape or bytes") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.rows = {6, 9}; }).find("claims rows 6 to 9") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.rows = {5, 2}; }).find("claims rows 5 to 2") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.rows = {3, 3}; }).find("claims") != std::string::npos);
    CHECK(spoilt([](HostTensor& p) { p.meta.rows = {}; }).find("type, shape or bytes") != std::string::npos);
    CHECK(refusal(take_rows(whole.meta, good, {1, 4})).find("of a piece that holds rows 2 to 5") != std::string::npos);
    CHECK(refusal(take_rows(whole.meta, good, {4, 4})) != "");
}

TEST_CASE("partial sums are added in the order of their rows") {
    const TensorMeta whole = sums({0, 0}, {}).meta;
    const std::vector<HostTensor> parts{sums({100, 5}, {4, 9}), sums({1, 2}, {0, 1}), sums({10, 20}, {1, 4})};
    const auto sum = add_partial_sums(whole, 9, parts);
    REQUIRE(sum.ok());
    CHECK(sum->meta == whole);
    const auto* values = reinterpret_cast<const float*>(sum->bytes.data());
    CHECK(values[0] == 111);
    CHECK(values[1] == 27);
    const std::vector<HostTensor> complete{sums({4, 2}, {})};
    CHECK(add_partial_sums(whole, 9, complete)->bytes.data() == complete.front().bytes.data());
    CHECK(add_partial_sums(whole, 9, std::vector{sums({4, 2}, {0, 9})})->meta == whole);
}

TEST_CASE("partial sums that overlap, leave out rows or are none are refused") {
    const TensorMeta whole = sums({0, 0}, {}).meta;
    const auto refused = [&](const std::vector<HostTensor>& parts) {
        return refusal(add_partial_sums(whole, 9, parts));
    };
    CHECK(refused({sums({1, 1}, {0, 5}), sums({1, 1}, {4, 9})}) == "value 3: row 4 is summed twice");
    CHECK(refused({sums({1, 1}, {}), sums({1, 1}, {4, 9})}) == "value 3: row 4 is summed twice");
    CHECK(refused({sums({1, 1}, {0, 5}), sums({1, 1}, {0, 5})}) == "value 3: row 0 is summed twice");
    CHECK(refused({sums({1, 1}, {0, 4}), sums({1, 1}, {5, 9})}) == "value 3: row 4 is missing of its sum");
    CHECK(refused({sums({1, 1}, {0, 4})}) == "value 3: row 4 is missing of its sum");
    CHECK(refused({}) == "value 3: row 0 is missing of its sum");
    CHECK(refused({sums({1, 1}, {0, 10})}).find("claims rows 0 to 10") != std::string::npos);
    CHECK(refused({sums({1, 1}, {3, 3})}).find("claims") != std::string::npos);
    HostTensor last = sums({1, 1}, {0, 9});
    last.meta.channels_last = true;
    CHECK(refused({last}).find("type, shape or bytes") != std::string::npos);
    CHECK(refused({sums({1, 1, 1}, {0, 9})}).find("type, shape or bytes") != std::string::npos);
}
