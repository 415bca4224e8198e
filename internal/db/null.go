package db

// OrNull returns v as a parameter of a statement: nil, which is NULL, for the zero value.
func OrNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// OrZero returns the value of a nullable column: the zero value for NULL.
func OrZero[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}
