/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The functions of a C library that compilers call even where there is none. */
#include <string.h>

void *memmove(void *to, const void *from, size_t bytes)
{
	if ((const char *)to <= (const char *)from)
		return memcpy(to, from, bytes);
	while (bytes--)
		((char *)to)[bytes] = ((const char *)from)[bytes];
	return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((char *)to)[i] = ((const char *)from)[i];
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((char *)to)[i] = (char)value;
	return to;
}
