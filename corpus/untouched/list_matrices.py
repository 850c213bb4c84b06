"""Matrices as lists of lists, and dynamic programming on them."""


def multiply(a, b):
    """Product of two matrices."""
    result = [[0.0] * len(b[0]) for _ in a]
    for i, row in enumerate(a):
        for j in range(len(b[0])):
            for k, value in enumerate(row):
                result[i][j] += value * b[k][j]
    return result


def eliminate(matrix):
    """Row echelon form, in place; returns the determinant."""
    determinant = 1.0
    for i in range(len(matrix)):
        pivot = max(range(i, len(matrix)), key=lambda r: abs(matrix[r][i]))
        if pivot != i:
            matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
            determinant *= -1
        determinant *= matrix[i][i]
        for row in matrix[i + 1 :]:
            factor = row[i] / matrix[i][i]
            for k in range(i, len(row)):
                row[k] -= factor * matrix[i][k]
    return determinant


def edit_distance(a, b):
    """Levenshtein distance of two strings."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    table[0][:] = range(len(b) + 1)
    for i, x in enumerate(a, 1):
        table[i][0] = i
        for j, y in enumerate(b, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (x != y))
    return table[-1][-1]


def main():
    m = [[2.0, 1.0], [4.0, 3.0]]
    squared = multiply(m, m)
    m[0][0] += 1.0
    determinant = eliminate([row[:] for row in m])
    return {"squared": squared, "det": determinant, "distance": edit_distance("inplace", "in place")}


if __name__ == "__main__":
    print(main())
