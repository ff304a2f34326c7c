// Arbitrary values that messages are made of, for rapidcheck.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "src/transport/codec.hpp"

namespace eddy::transport::testing {

template <class T>
T any() {
    return *rc::gen::arbitrary<T>();
}

/// Often the ends of the range.
template <class T>
T any_of_range(T low, T high) {
    const int which = *rc::gen::inRange(0, 6);
    if (which < 2) return which == 0 ? low : high;
    return static_cast<T>(*rc::gen::inRange<int64_t>(static_cast<int64_t>(low), static_cast<int64_t>(high)));
}

template <size_t size>
std::array<uint8_t, size> any_bytes() {
    return *rc::gen::container<std::array<uint8_t, size>>(rc::gen::arbitrary<uint8_t>());
}

inline std::string any_text(size_t bytes_max) {
    static const std::vector<std::string> letters = {"a", "Z", "0", " ", "\"", "\\", "-", "é", "₂", "🦆"};
    std::string text;
    const auto wanted = *rc::gen::weightedOneOf<size_t>(
        {{4, rc::gen::inRange<size_t>(0, 12)}, {1, rc::gen::inRange<size_t>(0, bytes_max + 1)}});
    while (true) {
        const std::string& letter = letters[*rc::gen::inRange<size_t>(0, letters.size())];
        if (text.size() + letter.size() > wanted) return text;
        text += letter;
    }
}

inline NodeId any_node() { return {any_bytes<20>()}; }
inline SourceId any_source() { return {any_node(), StreamId{any<uint16_t>()}}; }
inline FrameId any_frame() { return {any_source(), Incarnation{any<uint64_t>()}, any<uint64_t>()}; }
inline ContentHash any_hash() { return any<bool>() ? ContentHash{} : ContentHash{any_bytes<32>()}; }
inline Usec any_duration() { return Usec(any_of_range<int64_t>(0, int64_t{365} * 24 * 3600 * 1000000)); }
inline float any_score() { return static_cast<float>(*rc::gen::inRange(-1000, 1000)) / 999.0F; }

/// A list whose length is mostly small, sometimes at its bound.
template <class Make>
auto any_list(size_t count_max, Make make) {
    std::vector<decltype(make())> list;
    const size_t count = *rc::gen::weightedOneOf<size_t>(
        {{6, rc::gen::inRange<size_t>(0, std::min<size_t>(count_max, 5) + 1)}, {1, rc::gen::just(count_max)}});
    for (size_t i = 0; i < count; ++i) list.push_back(make());
    return list;
}

inline HostTensor any_tensor() {
    HostTensor tensor;
    tensor.meta.value.value = any<uint32_t>();
    tensor.meta.dtype = static_cast<DType>(*rc::gen::inRange(0, 7));
    const size_t dims = *rc::gen::inRange<size_t>(0, dims_max + 1);
    for (size_t i = 0; i < dims; ++i) tensor.meta.shape.push_back(*rc::gen::inRange(0, 4));
    if (any<bool>()) tensor.meta.rows = {1, any_of_range<uint32_t>(1, UINT32_MAX)};
    if (tensor.meta.shape.size() == 4 && any<bool>()) {
        tensor.meta.shape[0] = 1;
        tensor.meta.channels_last = true;
    }
    const size_t bytes = *tensor.meta.bytes();
    auto data = allocate_bytes(bytes);
    const auto first = any<uint8_t>();
    for (size_t i = 0; i < bytes; ++i) data.get()[i] = static_cast<std::byte>(first + 7 * i);
    tensor.bytes = SharedBytes(data, bytes);
    return tensor;
}

}  // namespace eddy::transport::testing
