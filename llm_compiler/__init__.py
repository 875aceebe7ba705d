"""Object files smaller than clang -Oz makes them, checked by the compiler, and the open pipeline behind it."""
